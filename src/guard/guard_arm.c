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
 * Arms the guard for a backup of the current database, which the calling
 * process leads.  Until its set is published, all files are preserved.
 * "max_bytes" limits what may be preserved (0: no limit).
 *
 * S must be taken only after the commits that are in flight now have ended;
 * see bbgw_guard_commits().
 */
void
bbgw_guard_arm(BbgwGuard *guard, int64 backup_id, uint64 max_bytes)
{
	/* not while a registry is being dropped */
	bbgw_registry_lock();

	LWLockAcquire(bbgw_guards->lock, LW_EXCLUSIVE);
	guard->failed = false;
	guard->needed = DSM_HANDLE_INVALID;
	guard->max_bytes = max_bytes;
	pg_atomic_write_u64(&guard->early_files, 0);
	pg_atomic_write_u64(&guard->early_bytes, 0);
	guard->backup_id = backup_id;
	guard->owner_pid = MyProcPid;
	guard->database = MyDatabaseId;
	pg_atomic_fetch_add_u32(&bbgw_guards->armed, 1);
	LWLockRelease(bbgw_guards->lock);

	bbgw_registry_unlock();
}

/*
 * From now on just the files in this set are preserved.  The segment must stay
 * until the guard was disarmed.  Needs a transaction.
 */
void
bbgw_guard_publish(BbgwGuard *guard, dsm_segment *segment)
{
	BbgwPreservedAt *records;
	int			n;
	BbgwParty	party = {0};
	BbgwNeededSet *set = dsm_segment_address(segment);

	set->backup_id = guard->backup_id;
	LWLockAcquire(bbgw_guards->lock, LW_EXCLUSIVE);
	guard->needed = dsm_segment_handle(segment);
	LWLockRelease(bbgw_guards->lock);

	/* those that were preserved until now have not been counted as its */
	party.guard = guard;
	party.id = guard->backup_id;
	party.set = set;
	records = bbgw_registry_read_all(&n);
	for (int i = 0; i < n; i++)
	{
		BbgwPreserved *record = &records[i].record;
		BbgwNeededFile *file = bbgw_needed_find(party.set, record->tablespace,
												record->number);

		if (file)
			(void) bbgw_party_mark(&party, file, record->bytes);
		else
		{
			/* most likely, nobody needs it */
			pg_atomic_fetch_add_u64(&guard->released_bytes, record->bytes);
			pg_atomic_fetch_add_u64(&guard->released_files, 1);
		}
	}
}

/*
 * How many files are preserved for a backup so far, and how many bytes of them
 * have not been read yet.  Before it has a set, nobody knows which of the files
 * are not needed at all.
 */
void
bbgw_guard_preserved(BbgwGuard *guard, uint64 *files, uint64 *bytes)
{
	bool		early;

	LWLockAcquire(bbgw_guards->lock, LW_SHARED);
	early = OidIsValid(guard->database) && guard->needed == DSM_HANDLE_INVALID;
	LWLockRelease(bbgw_guards->lock);
	*files = pg_atomic_read_u64(early ? &guard->early_files :
								&guard->files_preserved);
	*bytes = pg_atomic_read_u64(early ? &guard->early_bytes :
								&guard->preserved_bytes);
}

/*
 * The segment of the published set; invalid if there is none.
 */
dsm_handle
bbgw_guard_needed(BbgwGuard *guard)
{
	dsm_handle	handle;

	LWLockAcquire(bbgw_guards->lock, LW_SHARED);
	handle = guard->needed;
	LWLockRelease(bbgw_guards->lock);
	return handle;
}

/*
 * Disarms the guard, if it was armed, and waits "timeout" ms at most for
 * commits in flight that may still be adding to the registry.  If that is not
 * enough a later sweep will find what they have added; they do not touch the
 * guard any more, whosever it is by then.  Takes no lock but
 * LWLocks, and raises nothing.
 */
void
bbgw_guard_disarm(BbgwGuard *guard, int timeout)
{
	BbgwCommits *commits;
	int			pid;

	LWLockAcquire(bbgw_guards->lock, LW_EXCLUSIVE);
	if (OidIsValid(guard->database))
		pg_atomic_fetch_sub_u32(&bbgw_guards->armed, 1);
	guard->database = InvalidOid;
	guard->needed = DSM_HANDLE_INVALID;
	LWLockRelease(bbgw_guards->lock);

	commits = bbgw_guard_commits();
	for (int waited = 0; waited < timeout &&
		 !bbgw_guard_drained(commits, &pid); waited += 10)
		pg_usleep(10 * 1000L);
	pfree(commits);
}

/*
 * Raises an error if files were lost.  What was read before a call that
 * returns was complete.
 */
void
bbgw_guard_check(const BbgwGuard *guard)
{
	bool		failed;
	BbgwError	error;

	LWLockAcquire(bbgw_guards->lock, LW_SHARED);
	failed = guard->failed;
	if (failed)
		error = guard->error;
	LWLockRelease(bbgw_guards->lock);

	if (failed)
		bbgw_error_throw(&error, "files that the backup needs were lost");
}

/*
 * The backup needs a file no more.
 */
void
bbgw_guard_done(BbgwGuard *guard, BbgwNeededFile *file)
{
	uint32		before = pg_atomic_fetch_or_u32(&file->flags, BBGW_FILE_DONE);

	if ((before & (BBGW_FILE_DONE | BBGW_FILE_PRESERVED)) == BBGW_FILE_PRESERVED)
	{
		pg_atomic_fetch_sub_u64(&guard->preserved_bytes, file->bytes);
		pg_atomic_fetch_add_u64(&guard->released_bytes, file->bytes);
		pg_atomic_fetch_add_u64(&guard->released_files, 1);
	}
}

/*
 * Is the guard of any backup armed in a database?
 */
bool
bbgw_guard_armed(Oid database)
{
	bool		armed = false;

	LWLockAcquire(bbgw_guards->lock, LW_SHARED);
	for (int i = 0; i < bbgw_max_backups; i++)
		armed |= bbgw_guards->guards[i].database == database;
	LWLockRelease(bbgw_guards->lock);
	return armed;
}
