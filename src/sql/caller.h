/*-------------------------------------------------------------------------
 *
 * caller.h
 *	  A session that waits for a backup.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_CALLER_H
#define BBGW_CALLER_H

#include "fmgr.h"
#include "storage/condition_variable.h"

/* functions.c */
extern Datum wait_backup(PG_FUNCTION_ARGS);

extern bool bbgw_caller_needs_snapshot(FunctionCallInfo fcinfo);
extern void bbgw_caller_sleep(ConditionVariable *cv, long timeout,
							  bool needs_snapshot);

#endif							/* BBGW_CALLER_H */
