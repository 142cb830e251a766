/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  The storage guard: files that a backup needs outlive their unlinking.
 *
 * S keeps row versions from being vacuumed away, but no file from being
 * unlinked: TRUNCATE, DROP, a rewriting ALTER TABLE, VACUUM FULL and their
 * like unlink files when they commit, and whoever reads as of S would find a
 * table without rows, or none.  So a transaction that is about to commit is
 * looked at in every session.  If it would unlink a file that a running backup
 * needs, that file is taken off its list.  The transaction commits just as
 * fast, locks nothing, waits for nobody; the file stays, and standbys keep it
 * too, as it is not in the commit record either.  What was preserved is
 * written into the registry (registry.c) and unlinked when the backup no
 * longer needs it (sweep.c).
 *
 * There is one hole to be closed.  A transaction may have passed this point
 * before the guard was armed, and leave the array of running transactions
 * after S was taken: S then needs a file that nobody preserved.  So every
 * process that is about to commit an unlinking first makes its counter odd,
 * then looks whether a guard is armed, and makes the counter even when the
 * transaction has ended, as far as snapshots are concerned.  Who arms a guard
 * looks at the counters afterwards and lets those commits end that it sees in
 * flight, before it takes S.  Nobody waits but the one who arms, and he asks
 * for no lock.  When the guard was disarmed he waits again: then nobody is
 * adding to the registry any more.
 *
 * The callbacks before a commit do not have the last word.  What is to be done
 * ON COMMIT with temporary tables comes after them, and dropping one may drop
 * others by cascade; and the callback of a library that was loaded before this
 * one comes later.  So from then on until the commit record is made, the list is
 * looked at again whenever the effects of a command become visible, which is
 * when the relation cache is told.  In the end, when all is done but the
 * unlinking, it is made sure that nothing was missed.  If it was, the backups
 * that need the file have failed: it is in the commit record, and so cannot be
 * preserved any more for standbys and crash recovery.
 *
 * A transaction that is prepared is through with this when it is prepared; its
 * files are no longer on the list that COMMIT PREPARED goes by.  One that was
 * prepared before the guard was armed is the business of leader.c.
 *
 * No transaction ever fails or waits because of a backup.  If a file cannot be
 * preserved, for lack of memory or disk space or because the limit is reached,
 * it is the backup that fails: it is marked so before the file goes.  Readers
 * look at the mark (bbgw_guard_check) after they have read, and so never
 * believe what they read of a file that was lost meanwhile.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/storage.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "guard/guard.h"
#include "guard/guard_parties.h"
#include "guard/pending.h"
#include "guard/registry.h"

struct BbgwCommits
{
	int			first;			/* those before have ended */
	uint32		seen[FLEXIBLE_ARRAY_MEMBER];	/* counters, by process */
};

/* my counter is odd */
static bool commit_in_flight = false;

/*
 * From the first look at the list of files to be unlinked on: how many of them
 * need no second look, and the first of those.  Others come before it.
 */
static bool looking = false;
static int	nseen;
static RelFileLocator first_seen;

/* Files that a transaction leaves behind */
typedef struct Preserving
{
	BbgwPreserved *records;
	RelFileLocator *files;		/* the same */
	int			n;
	int			appended;		/* the first ones are in the registry */
} Preserving;

static pg_atomic_uint32 *
my_counter(void)
{
	return &BBGW_COMMIT_COUNTERS[BBGW_MY_PROC_NUMBER];
}

static void
begin_commit(void)
{
	pg_atomic_fetch_add_u32(my_counter(), 1);	/* has barrier semantics */
	commit_in_flight = true;
}

static void
end_commit(void)
{
	commit_in_flight = false;
	pg_atomic_fetch_add_u32(my_counter(), 1);
}

/*
 * Marks a backup as failed, or (0) all that have their guard armed in this
 * database.  Raises nothing.
 */
static void
fail_backups(int64 id, const ErrorData *edata)
{
	LWLockAcquire(bbgw_guards->lock, LW_EXCLUSIVE);
	for (int i = 0; i < bbgw_max_backups; i++)
	{
		BbgwGuard  *guard = &bbgw_guards->guards[i];
		PGPROC	   *owner;

		if (guard->database != MyDatabaseId || guard->failed ||
			(id != 0 && id != guard->backup_id))
			continue;
		bbgw_error_capture(&guard->error, edata);
		guard->failed = true;
		owner = BackendPidGetProc(guard->owner_pid);
		if (owner)
			SetLatch(&owner->procLatch);
	}
	LWLockRelease(bbgw_guards->lock);
}

static void
fail_for_limit(const BbgwParty *party)
{
	ErrorData	edata = {0};

	edata.sqlerrcode = ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
	edata.message = psprintf("files preserved for the backup would take more than backup_bgw.max_preserved_size (" UINT64_FORMAT " kB)",
							 party->max_bytes / 1024);
	edata.detail = "Tables were truncated, rewritten or dropped before the backup had read them.";
	edata.hint = "Increase backup_bgw.max_preserved_size, or make backups when fewer such commands run.";
	fail_backups(party->id, &edata);
}

static uint64
file_size(const RelFileLocator *locator)
{
	SMgrRelation smgr = smgropen(*locator, INVALID_PROC_NUMBER);
	uint64		blocks = 0;

	/* an empty one has no other forks worth counting */
	for (ForkNumber fork = MAIN_FORKNUM;
		 fork <= VISIBILITYMAP_FORKNUM && (fork == MAIN_FORKNUM || blocks > 0);
		 fork++)
		if (smgrexists(smgr, fork))
			blocks += smgrnblocks(smgr, fork);
	return blocks * BLCKSZ;
}

/*
 * Would the file be more than may be preserved for the backup?
 */
static bool
over_limit(const BbgwParty *party, BbgwNeededFile *file, uint64 bytes)
{
	pg_atomic_uint64 *sum = file ? &party->guard->preserved_bytes :
	&party->guard->early_bytes;

	/* it has been counted if an earlier transaction preserved it, but aborted */
	if (party->max_bytes == 0 ||
		(file && (pg_atomic_read_u32(&file->flags) & BBGW_FILE_PRESERVED) != 0))
		return false;
	return pg_atomic_read_u64(sum) + bytes > party->max_bytes;
}

/*
 * Notes that the backups that need a file have it preserved.  Returns false if
 * there are none.
 */
static bool
preserve_file(BbgwParties *parties, const RelFileLocator *locator,
			  uint64 *bytes)
{
	bool		needed = false;

	*bytes = 0;
	for (int i = 0; i < parties->n; i++)
	{
		BbgwParty  *party = &parties->party[i];
		BbgwNeededFile *file;

		if (!bbgw_party_needs(party, locator->spcOid, locator->relNumber,
							  &file))
			continue;
		if (*bytes == 0)
			*bytes = file_size(locator);

		if (over_limit(party, file, *bytes))
		{
			fail_for_limit(party);
			party->guard = NULL;
		}
		else if (bbgw_party_mark(party, file, *bytes))
			needed = true;
	}
	return needed;
}

/*
 * Writes those of the files about to be unlinked that a backup needs into the
 * registry.
 */
static void
preserve_files(BbgwParties *parties, const RelFileLocator *files, int nfiles,
			   Preserving *preserving)
{
	RelFileLocator *created;
	int			ncreated = smgrGetPendingDeletes(false, &created);

	preserving->records = palloc_extended(nfiles * sizeof(BbgwPreserved),
										  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	preserving->files = palloc_extended(nfiles * sizeof(RelFileLocator),
										MCXT_ALLOC_HUGE);

	/* files of this transaction's own making are in no snapshot */
	if (ncreated > 0)
		qsort(created, ncreated, sizeof(RelFileLocator), bbgw_compare_locators);

	for (int i = 0; i < nfiles; i++)
	{
		const RelFileLocator *locator = &files[i];
		BbgwPreserved *record = &preserving->records[preserving->n];

		if (locator->dbOid != MyDatabaseId ||
			(ncreated > 0 &&
			 bsearch(locator, created, ncreated, sizeof(RelFileLocator),
					 bbgw_compare_locators)) ||
			!preserve_file(parties, locator, &record->bytes))
			continue;

		record->xid = GetTopFullTransactionId();
		record->since = GetCurrentTimestamp();
		record->tablespace = locator->spcOid;
		record->number = locator->relNumber;
		record->live = 1;
		preserving->files[preserving->n++] = *locator;
	}
	if (preserving->n > 0)
		bbgw_registry_append(preserving->records, preserving->n,
							 &preserving->appended);
}

/*
 * Of the files that a commit is about to unlink, without having been looked at
 * before: fails the backups that need one.
 */
static void
fail_for_files(BbgwParties *parties, const RelFileLocator *files, int nfiles)
{
	for (int i = 0; i < nfiles; i++)
	{
		for (int p = 0; p < parties->n && files[i].dbOid == MyDatabaseId; p++)
		{
			BbgwNeededFile *file;
			ErrorData	edata = {0};

			if (!bbgw_party_needs(&parties->party[p], files[i].spcOid,
								  files[i].relNumber, &file))
				continue;
			edata.sqlerrcode = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
			edata.message = psprintf("a file of %s was unlinked before the backup had read it",
									 file ? BBGW_FILE_NAME(parties->party[p].set, file) : "some relation");
			edata.detail = "Some library unlinks files when it is too late to preserve them.";
			edata.hint = "Name backup_bgw before other libraries in shared_preload_libraries.";
			fail_backups(parties->party[p].id, &edata);
			parties->party[p].guard = NULL;
		}
	}
}

/*
 * preserve_files(), or if it is too late for that fail_for_files(), whose errors
 * become those of the backups.
 *
 * What is in the registry by the time of an error has to be preserved all the
 * same: the record of a transaction that has committed must not be about a file
 * that it has unlinked, and whose number may be another relation's then.
 *
 * Returns how many files were taken off the list.
 */
static int
try_to_preserve_files(const RelFileLocator *files, int nfiles, bool late)
{
	int			npreserved;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "backup_bgw guard",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext save_context = MemoryContextSwitchTo(context);
	ResourceOwner save_owner = CurrentResourceOwner;
	ResourceOwner owner = ResourceOwnerCreate(save_owner, "backup_bgw guard");
	Preserving *preserving = palloc0(sizeof(Preserving));
	uint32		save_holdoff = InterruptHoldoffCount;

	PG_TRY();
	{
		BbgwParties *parties;

		CurrentResourceOwner = owner;
		parties = bbgw_parties_find();
		if (late)
			fail_for_files(parties, files, nfiles);
		else if (parties->n > 0)
			preserve_files(parties, files, nfiles, preserving);
		bbgw_parties_free(parties);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		FlushErrorState();

		/* after the commit record they are held, and an error lets them go */
		InterruptHoldoffCount = save_holdoff;

		/* nobody holds one when a transaction is about to commit */
		LWLockReleaseAll();
		bbgw_abort_buffer_io();
		UnlockBuffers();

		ereport(LOG_SERVER_ONLY,
				(errcode(edata->sqlerrcode),
				 errmsg("could not preserve files for a backup: %s", edata->message)));
		fail_backups(0, edata);
	}
	PG_END_TRY();

	/* as in an abort: there may be something left after an error */
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
	CurrentResourceOwner = save_owner;
	ResourceOwnerDelete(owner);

	npreserved = preserving->appended;
	if (npreserved > 0)
		bbgw_pending_remove(preserving->files, npreserved);
	MemoryContextSwitchTo(save_context);
	MemoryContextDelete(context);
	return npreserved;
}

/*
 * How many of the files on the list, the first ones, have not been seen yet.
 * Others must come in the same order as before; if they do not, all count.
 */
static int
count_unseen(const RelFileLocator *files, int nfiles)
{
	int			unseen = nfiles - nseen;

	if (nseen == 0 || unseen < 0 ||
		bbgw_compare_locators(&files[unseen], &first_seen) != 0)
		return nfiles;
	return unseen;
}

/*
 * Looks at what the transaction would unlink, if that has not been looked at
 * before.
 *
 * In a subtransaction it does not: that may be rolled back, which is not on
 * record then.  Nor does anybody use one after the callbacks before a commit.
 */
static void
look_at_files(void)
{
	RelFileLocator *files;
	int			nfiles;
	int			unseen;

	if (GetCurrentTransactionNestLevel() > 1)
		return;
	nfiles = smgrGetPendingDeletes(true, &files);
	if (nfiles == 0)
		return;

	unseen = count_unseen(files, nfiles);
	if (unseen > 0)
	{
		if (!commit_in_flight)
			begin_commit();
		if (pg_atomic_read_u32(&bbgw_guards->armed) > 0 &&
			try_to_preserve_files(files, unseen, false) > 0)
		{
			pfree(files);
			nfiles = smgrGetPendingDeletes(true, &files);
		}
		nseen = nfiles;
		if (nfiles > 0)
			first_seen = files[0];
	}
	if (nfiles > 0)
		pfree(files);
}

/*
 * The commit record, or that of PREPARE TRANSACTION, is written, and the files on
 * the list will go.  Makes sure that all of them have been looked at.  Must not
 * raise an error, as the transaction cannot abort any more.
 */
static void
check_files(void)
{
	RelFileLocator *files;
	int			nfiles;

	if (pg_atomic_read_u32(&bbgw_guards->armed) == 0)
		return;
	nfiles = smgrGetPendingDeletes(true, &files);
	if (nfiles > 0)
	{
		int			unseen = count_unseen(files, nfiles);

		if (unseen > 0)
			(void) try_to_preserve_files(files, unseen, true);
		pfree(files);
	}
}

static void
guard_xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			nseen = 0;
			look_at_files();
			looking = true;
			break;

		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			looking = false;
			check_files();
			if (commit_in_flight)
				end_commit();
			break;

		case XACT_EVENT_ABORT:
			looking = false;
			if (commit_in_flight)
				end_commit();
			break;

		default:
			break;
	}
}

/*
 * After each command, be it one within a commit, the relation cache is told what
 * has changed.
 */
static void
guard_relcache_callback(Datum arg, Oid relid)
{
	if (looking && IsTransactionState())
	{
		looking = false;		/* not while looking */
		look_at_files();
		looking = true;
	}
}

/*
 * Lets the guard look at every transaction.  To be called from _PG_init() at
 * preload time.
 */
void
bbgw_guard_init(void)
{
	RegisterXactCallback(guard_xact_callback, NULL);
	CacheRegisterRelcacheCallback(guard_relcache_callback, (Datum) 0);
}

/*
 * The commits of unlinkings that are in flight now, palloc'd.
 */
BbgwCommits *
bbgw_guard_commits(void)
{
	BbgwCommits *commits = palloc0(offsetof(BbgwCommits, seen) +
								   MaxBackends * sizeof(uint32));

	pg_memory_barrier();
	for (int i = 0; i < MaxBackends; i++)
		commits->seen[i] = pg_atomic_read_u32(&BBGW_COMMIT_COUNTERS[i]);
	return commits;
}

/*
 * Have they all ended?  If not, says which process has one that has not.
 */
bool
bbgw_guard_drained(BbgwCommits *commits, int *pid)
{
	pg_memory_barrier();
	for (; commits->first < MaxBackends; commits->first++)
	{
		int			i = commits->first;

		if (commits->seen[i] % 2 == 1 && i != BBGW_MY_PROC_NUMBER &&
			commits->seen[i] == pg_atomic_read_u32(&BBGW_COMMIT_COUNTERS[i]))
		{
			*pid = ProcGlobal->allProcs[i].pid;
			return false;
		}
	}
	return true;
}
