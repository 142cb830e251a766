/*-------------------------------------------------------------------------
 *
 * guard_shmem.h
 *	  The guards of running backups, in shared memory.
 *
 * There is one guard for each slot of a backup.  To the guard a backup is a
 * number, and a process to be told when a file could not be preserved.
 *
 * "lock" is held for a few instructions at a time, and no other lock is asked
 * for under it.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_GUARD_SHMEM_H
#define BBGW_GUARD_SHMEM_H

#include "backup_bgw.h"

#include "port/atomics.h"
#include "storage/dsm.h"
#include "storage/lwlock.h"

#include "errors.h"

typedef struct BbgwGuard
{
	/* under lock */
	Oid			database;		/* InvalidOid: not armed */
	int64		backup_id;		/* whom it serves */
	int			owner_pid;		/* the process that armed it */
	dsm_handle	needed;			/* guard_set.h; invalid: all of the database */
	uint64		max_bytes;		/* 0: no limit */
	bool		failed;			/* files were lost */
	BbgwError	error;			/* why */

	/* atomic; written by whoever preserves or has read a file */
	pg_atomic_uint64 files_preserved;
	pg_atomic_uint64 preserved_bytes;	/* of those not read yet */
	pg_atomic_uint64 released_files;	/* done with, to be unlinked */
	pg_atomic_uint64 released_bytes;

	/* atomic; the first two, as long as there is no set and all is needed */
	pg_atomic_uint64 early_files;
	pg_atomic_uint64 early_bytes;
} BbgwGuard;

typedef struct BbgwGuards
{
	LWLock	   *lock;
	LWLock	   *registry_lock;	/* protects pages of registries (registry.c) */
	pg_atomic_uint32 next_registry;
	pg_atomic_uint32 armed;		/* how many guards are */
	BbgwGuard	guards[FLEXIBLE_ARRAY_MEMBER];	/* backup_bgw.max_backups */
} BbgwGuards;

/*
 * After the guards, a counter for each process that may run transactions: odd
 * while it commits something that unlinks files (guard.c).
 */
#define BBGW_COMMIT_COUNTERS \
	((pg_atomic_uint32 *) &bbgw_guards->guards[bbgw_max_backups])

extern BbgwGuards *bbgw_guards;

/* The guard of the backup in the slot with this number */
static inline BbgwGuard *
bbgw_guard_of(int slot)
{
	return &bbgw_guards->guards[slot];
}

extern void bbgw_guard_shmem_init(void);
extern void bbgw_guard_reset(BbgwGuard *guard);

#endif							/* BBGW_GUARD_SHMEM_H */
