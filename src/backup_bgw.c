/*-------------------------------------------------------------------------
 *
 * backup_bgw.c
 *	  Loads the extension.  The roof over all wings: nobody includes it.
 *
 * backup_bgw.h has the overview.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "backup/history.h"
#include "guard/guard.h"
#include "guard/sweep.h"
#include "shmem.h"
#include "snapshot/asof.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	/*
	 * Loaded later, by a call of one of our functions, we have no shared
	 * memory and no hooks.  The functions say what to do about it.
	 */
	if (!process_shared_preload_libraries_in_progress)
		return;

	bbgw_guc_init();
	bbgw_shmem_init();
	bbgw_guard_shmem_init();
	bbgw_asof_session_init();
	bbgw_guard_init();
	bbgw_sweep_init();
	bbgw_history_init();
}
