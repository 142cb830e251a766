/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Running backups in shared memory (shmem.h).
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/builtins.h"

#include "shmem.h"

#define TRANCHE_NAME "backup_bgw"

BbgwShared *bbgw_shared = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static Size
shared_size(void)
{
	return add_size(offsetof(BbgwShared, backups),
					mul_size(bbgw_max_backups, sizeof(BbgwBackup)));
}

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche(TRANCHE_NAME, 1);
}

/*
 * Makes a slot as good as new.  Any locking is the caller's.  The condition
 * variable stays, as somebody may still look at it.
 */
void
bbgw_backup_reset(BbgwBackup *backup)
{
	memset(backup, 0, offsetof(BbgwBackup, cv));
	pg_atomic_init_u64(&backup->tables_done, 0);
	pg_atomic_init_u64(&backup->bytes_done, 0);
	pg_atomic_init_u64(&backup->bytes_written, 0);
	pg_atomic_init_u64(&backup->lock_yields, 0);
	pg_atomic_init_u64(&backup->throttle_clock, 0);
	for (int i = 0; i < BBGW_MAX_JOBS; i++)
		pg_atomic_init_u64(&backup->workers[i].bytes_done, 0);
	backup->order.request = DSM_HANDLE_INVALID;
	backup->snapshot = DSM_HANDLE_INVALID;
	for (int i = 0; i < BBGW_MAX_PLANS; i++)
		backup->plans[i] = DSM_HANDLE_INVALID;
}

static void
shmem_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	bbgw_shared = ShmemInitStruct("backup_bgw", shared_size(), &found);
	if (!found)
	{
		memset(bbgw_shared, 0, offsetof(BbgwShared, backups));
		bbgw_shared->lock = &GetNamedLWLockTranche(TRANCHE_NAME)[0].lock;
		if (!pg_strong_random(&bbgw_shared->incarnation,
							  sizeof(bbgw_shared->incarnation)))
			bbgw_shared->incarnation = (uint64) GetCurrentTimestamp();
		for (int i = 0; i < bbgw_max_backups; i++)
		{
			bbgw_backup_reset(&bbgw_shared->backups[i]);
			ConditionVariableInit(&bbgw_shared->backups[i].cv);
			bbgw_shared->backups[i].number = i;
		}
	}
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Reserves shared memory.  To be called from _PG_init() at preload time.
 */
void
bbgw_shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}

/*
 * Finds the slot of a backup that starts or runs, or returns NULL.  The caller
 * holds bbgw_shared->lock, and may use the result only while it does unless it
 * knows by other means that the slot stays.
 */
BbgwBackup *
bbgw_backup_find(int64 id)
{
	Assert(LWLockHeldByMe(bbgw_shared->lock));

	for (int i = 0; i < bbgw_max_backups; i++)
	{
		BbgwBackup *backup = &bbgw_shared->backups[i];

		if (backup->id == id &&
			(backup->state == BBGW_STARTING || backup->state == BBGW_RUNNING))
			return backup;
	}
	return NULL;
}

/*
 * Has a backup given up, in the name of a role.  The caller holds
 * bbgw_shared->lock exclusively.
 */
void
bbgw_backup_cancel(BbgwBackup *backup, const char *rolname)
{
	Assert(LWLockHeldByMeInMode(bbgw_shared->lock, LW_EXCLUSIVE));

	if (!backup->cancelled)
	{
		namestrcpy(&backup->cancelled_by, rolname);
		backup->cancelled_by_pid = MyProcPid;
	}
	backup->cancelled = true;

	/* the leader may be waiting for a lock, and not look at our word */
	if (BackendPidGetProc(backup->leader_pid))
		(void) kill(backup->leader_pid, SIGINT);
}

/*
 * The name users see for a phase.
 */
const char *
bbgw_phase_name(BbgwPhase phase)
{
	switch (phase)
	{
		case BBGW_PHASE_STARTING:
			return "starting";
		case BBGW_PHASE_SCHEMA:
			return "schema";
		case BBGW_PHASE_COPYING:
			return "copying";
		case BBGW_PHASE_FINISHING:
			return "finishing";
	}
	return "unknown";
}
