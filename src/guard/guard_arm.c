/*-------------------------------------------------------------------------
 *
 * guard_arm.c
 *	  The storage guard, as the backup that it serves sees it.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "guard/guard.h"
#include "guard/guard_parties.h"
#include "guard/registry.h"

/*
 * Arms the guard for a backup of the current database.  Until its set is
 * published, all files are preserved.  "max_bytes" limits what may be preserved
 * after that (0: no limit).
 *
 * S must be taken only after the commits that are in flight now have ended; see
 * bbgw_guard_commits().
 */
void
bbgw_guard_arm(BbgwBackup *backup, uint64 max_bytes)
{
	RelFileNumber registry;

	/* not while a registry is being dropped */
	bbgw_registry_lock();
	registry = bbgw_registry_find(MyDatabaseTableSpace, MyDatabaseId);

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < bbgw_max_backups && registry == InvalidRelFileNumber; i++)
		if (bbgw_shared->backups[i].guard_database == MyDatabaseId)
			registry = bbgw_shared->backups[i].guard_registry;
	if (registry == InvalidRelFileNumber)
		registry = bbgw_registry_next();
	backup->guard_registry = registry;
	backup->guard_failed = false;
	backup->needed = DSM_HANDLE_INVALID;
	backup->max_preserved_bytes = max_bytes;
	backup->guard_database = MyDatabaseId;
	pg_atomic_fetch_add_u32(&bbgw_shared->guards_armed, 1);
	LWLockRelease(bbgw_shared->lock);

	bbgw_registry_unlock();
}

/*
 * From now on just the files in this set are preserved.  The segment must stay
 * until the guard was disarmed.  Needs a transaction.
 */
void
bbgw_guard_publish(BbgwBackup *backup, dsm_segment *segment)
{
	BbgwPreservedAt *records;
	int			n;
	BbgwParty	party = {0};

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	backup->needed = dsm_segment_handle(segment);
	LWLockRelease(bbgw_shared->lock);

	/* those that were preserved until now have not been counted */
	party.backup = backup;
	party.id = backup->id;
	party.set = dsm_segment_address(segment);
	records = bbgw_registry_read(backup->guard_registry, &n);
	for (int i = 0; i < n; i++)
	{
		BbgwPreserved *record = &records[i].record;
		BbgwNeededFile *file = bbgw_needed_find(party.set, record->tablespace, record->number);

		if (file)
			(void) bbgw_party_mark(&party, file, record->bytes);
	}
}

/*
 * Disarms the guard, if it was armed, and waits "timeout" ms at most for commits
 * in flight that may still be adding to the registry.  If that is not enough a
 * later sweep will find what they have added.  Takes no lock but LWLocks, and
 * raises nothing.
 */
void
bbgw_guard_disarm(BbgwBackup *backup, int timeout)
{
	BbgwCommits *commits;
	int			pid;

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	if (OidIsValid(backup->guard_database))
		pg_atomic_fetch_sub_u32(&bbgw_shared->guards_armed, 1);
	backup->guard_database = InvalidOid;
	backup->needed = DSM_HANDLE_INVALID;
	LWLockRelease(bbgw_shared->lock);

	commits = bbgw_guard_commits();
	for (int waited = 0; waited < timeout && !bbgw_guard_drained(commits, &pid); waited += 10)
		pg_usleep(10 * 1000L);
	pfree(commits);
}

/*
 * Raises an error if files were lost.  What was read before a call that returns
 * was complete.
 */
void
bbgw_guard_check(const BbgwBackup *backup)
{
	bool		failed;
	BbgwError	error;

	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	failed = backup->guard_failed;
	if (failed)
		error = backup->guard_error;
	LWLockRelease(bbgw_shared->lock);

	if (failed)
		bbgw_error_throw(&error, "files that the backup needs were lost");
}

/*
 * The backup needs a file no more.
 */
void
bbgw_guard_done(BbgwBackup *backup, BbgwNeededFile *file)
{
	uint32		before = pg_atomic_fetch_or_u32(&file->flags, BBGW_FILE_DONE);

	if ((before & (BBGW_FILE_DONE | BBGW_FILE_PRESERVED)) == BBGW_FILE_PRESERVED)
	{
		pg_atomic_fetch_sub_u64(&backup->preserved_bytes, file->bytes);
		pg_atomic_fetch_add_u64(&backup->released_bytes, file->bytes);
		pg_atomic_fetch_add_u64(&backup->released_files, 1);
	}
}

/*
 * Is the guard of any backup armed in a database?
 */
bool
bbgw_guard_armed(Oid database)
{
	bool		armed = false;

	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	for (int i = 0; i < bbgw_max_backups; i++)
		armed |= bbgw_shared->backups[i].guard_database == database;
	LWLockRelease(bbgw_shared->lock);
	return armed;
}
