/*-------------------------------------------------------------------------
 *
 * bgworker.h
 *	  What our background workers have in common.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_BGWORKER_H
#define BBGW_BGWORKER_H

#include "backup_bgw.h"

#include "postmaster/bgworker.h"

extern bool bbgw_bgworker_register(const char *function, const char *role,
								   Datum arg, int64 backup_id,
								   int restart_time,
								   BackgroundWorkerHandle **handle);
extern int64 bbgw_bgworker_backup_id(void);
extern void bbgw_bgworker_set_pause(void (*function) (void));
extern void bbgw_bgworker_pause(void);
extern void bbgw_bgworker_connect(Oid dboid);
extern void bbgw_bgworker_search_path(bool of_database);

#endif							/* BBGW_BGWORKER_H */
