/*-------------------------------------------------------------------------
 *
 * guard_shmem.c
 *	  The guards of running backups, in shared memory (guard_shmem.h).
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "guard/guard_shmem.h"

#define TRANCHE_NAME "backup_bgw guard"

BbgwGuards *bbgw_guards = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static Size
guards_size(void)
{
	Size		size = offsetof(BbgwGuards, guards);

	size = add_size(size, mul_size(bbgw_max_backups, sizeof(BbgwGuard)));
	return add_size(size, mul_size(MaxBackends, sizeof(pg_atomic_uint32)));
}

static void
guards_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	RequestAddinShmemSpace(guards_size());
	RequestNamedLWLockTranche(TRANCHE_NAME, 2);
}

/*
 * Makes a guard as good as new: not armed, with nothing preserved.  Any
 * locking is the caller's.
 */
void
bbgw_guard_reset(BbgwGuard *guard)
{
	memset(guard, 0, sizeof(BbgwGuard));
	guard->needed = DSM_HANDLE_INVALID;
	pg_atomic_init_u64(&guard->files_preserved, 0);
	pg_atomic_init_u64(&guard->preserved_bytes, 0);
	pg_atomic_init_u64(&guard->released_files, 0);
	pg_atomic_init_u64(&guard->released_bytes, 0);
	pg_atomic_init_u64(&guard->early_files, 0);
	pg_atomic_init_u64(&guard->early_bytes, 0);
}

static void
guards_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	bbgw_guards = ShmemInitStruct("backup_bgw guards", guards_size(), &found);
	if (!found)
	{
		LWLockPadded *locks = GetNamedLWLockTranche(TRANCHE_NAME);

		bbgw_guards->lock = &locks[0].lock;
		bbgw_guards->registry_lock = &locks[1].lock;
		/* processes of a standby may have files of the last run open */
		pg_atomic_init_u32(&bbgw_guards->next_registry,
						   pg_prng_uint32(&pg_global_prng_state));
		pg_atomic_init_u32(&bbgw_guards->armed, 0);
		for (int i = 0; i < bbgw_max_backups; i++)
			bbgw_guard_reset(&bbgw_guards->guards[i]);
		for (int i = 0; i < MaxBackends; i++)
			pg_atomic_init_u32(&BBGW_COMMIT_COUNTERS[i], 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Reserves shared memory.  To be called from _PG_init() at preload time.
 */
void
bbgw_guard_shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = guards_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = guards_startup;
}
