/*-------------------------------------------------------------------------
 *
 * format_datetime.h
 *	  What intervals have in common with times.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_FORMAT_DATETIME_H
#define BBGW_FORMAT_DATETIME_H

#include "postgres.h"

extern char *bbgw_put_seconds(char *out, int seconds, int micros);

#endif							/* BBGW_FORMAT_DATETIME_H */
