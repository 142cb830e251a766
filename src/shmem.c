/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Running backups in shared memory (shmem.h), and errors that travel
 *	  through it.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "shmem.h"

#define TRANCHE_NAME "backup_bgw"

BbgwShared *bbgw_shared = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static Size
shared_size(void)
{
	Size		size = offsetof(BbgwShared, backups);

	size = add_size(size, mul_size(bbgw_max_backups, sizeof(BbgwBackup)));
	return add_size(size, mul_size(MaxBackends, sizeof(pg_atomic_uint32)));
}

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche(TRANCHE_NAME, 2);
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
	pg_atomic_init_u64(&backup->files_preserved, 0);
	pg_atomic_init_u64(&backup->preserved_bytes, 0);
	pg_atomic_init_u64(&backup->lock_yields, 0);
	pg_atomic_init_u64(&backup->released_files, 0);
	pg_atomic_init_u64(&backup->released_bytes, 0);
	pg_atomic_init_u64(&backup->throttle_clock, 0);
	for (int i = 0; i < BBGW_MAX_JOBS; i++)
		pg_atomic_init_u64(&backup->workers[i].bytes_done, 0);
	backup->order.request = DSM_HANDLE_INVALID;
	backup->snapshot = DSM_HANDLE_INVALID;
	backup->plan = DSM_HANDLE_INVALID;
	backup->needed = DSM_HANDLE_INVALID;
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
		bbgw_shared->registry_lock = &GetNamedLWLockTranche(TRANCHE_NAME)[1].lock;
		pg_atomic_init_u32(&bbgw_shared->next_registry, 0);
		pg_atomic_init_u32(&bbgw_shared->guards_armed, 0);
		for (int i = 0; i < MaxBackends; i++)
			pg_atomic_init_u32(&BBGW_COMMIT_COUNTERS(bbgw_shared)[i], 0);
		if (!pg_strong_random(&bbgw_shared->incarnation,
							  sizeof(bbgw_shared->incarnation)))
			bbgw_shared->incarnation = (uint64) GetCurrentTimestamp();
		for (int i = 0; i < bbgw_max_backups; i++)
		{
			bbgw_backup_reset(&bbgw_shared->backups[i]);
			ConditionVariableInit(&bbgw_shared->backups[i].cv);
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

static void
capture_text(char *dst, Size size, const char *src)
{
	if (src)
	{
		int			len = pg_mbcliplen(src, strlen(src), size - 1);

		memcpy(dst, src, len);
		dst[len] = '\0';
	}
	else
		dst[0] = '\0';
}

/*
 * Copies what a user needs of an error to *error.  Any locking is the caller's.
 * Raises nothing.
 */
void
bbgw_error_capture(BbgwError *error, const ErrorData *edata)
{
	error->sqlerrcode = edata->sqlerrcode;
	capture_text(error->message, sizeof(error->message), edata->message);
	capture_text(error->detail, sizeof(error->detail), edata->detail);
	capture_text(error->hint, sizeof(error->hint), edata->hint);
	capture_text(error->context, sizeof(error->context), edata->context);
}

/*
 * Raises a captured error (a copy of it, so that no lock needs to be held), or
 * "fallback" as an internal error when none was captured.
 */
void
bbgw_error_throw(const BbgwError *error, const char *fallback)
{
	if (error->sqlerrcode == 0)
		elog(ERROR, "%s", fallback);

	ereport(ERROR,
			(errcode(error->sqlerrcode),
			 errmsg_internal("%s", error->message),
			 error->detail[0] ? errdetail_internal("%s", error->detail) : 0,
			 error->hint[0] ? errhint("%s", error->hint) : 0,
			 error->context[0] ? errcontext_msg("%s", error->context) : 0));
}
