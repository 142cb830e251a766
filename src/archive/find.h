/*-------------------------------------------------------------------------
 *
 * find.h
 *	  Is the archive of a certain backup there?
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_FIND_H
#define BBGW_FIND_H

#include "backup_bgw.h"

#include "datatype/timestamp.h"
#include "pgtime.h"

extern bool bbgw_archive_find(const char *destination, TimestampTz started_at,
							  pg_time_t *mtime);

#endif							/* BBGW_FIND_H */
