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
 * looked at again, once, when the effects of a command become visible, which is
 * when the relation cache is told.  Not if it is known to those who arm guards
 * that this commit unlinks files, and none was armed: they wait for it.  In the
 * end, when all is done but the unlinking, it is made sure that nothing was
 * missed.  If it was, the backups that need the file have failed: it is in the
 * commit record, and so cannot be preserved any more for standbys and crash
 * recovery.
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
#include "storage/proc.h"
#include "utils/inval.h"

#include "guard/guard.h"
#include "guard/pending.h"
#include "guard/preserve.h"

struct BbgwCommits
{
	int			first;			/* those before have ended */
	uint32		seen[FLEXIBLE_ARRAY_MEMBER];	/* counters, by process */
};

/* my counter is odd */
static bool commit_in_flight = false;

/* no guard was armed when it became so: those armed since wait for it to end */
static bool of_no_concern;

/*
 * From the first look at the list of files to be unlinked on: how many of them
 * need no second look, and the first of those.  Others come before it.
 */
static bool looking = false;
static int	nseen;
static RelFileLocator first_seen;

/* the command whose effects were visible at the last look */
static CommandId looked_at;

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
	of_no_concern = pg_atomic_read_u32(&bbgw_guards->armed) == 0;
}

static void
end_commit(void)
{
	commit_in_flight = false;
	pg_atomic_fetch_add_u32(my_counter(), 1);
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
		if (!of_no_concern &&
			pg_atomic_read_u32(&bbgw_guards->armed) > 0 &&
			bbgw_preserve_files(files, unseen, false) > 0)
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

	if (pg_atomic_read_u32(&bbgw_guards->armed) == 0 ||
		(commit_in_flight && of_no_concern))
		return;
	nfiles = smgrGetPendingDeletes(true, &files);
	if (nfiles > 0)
	{
		int			unseen = count_unseen(files, nfiles);

		if (unseen > 0)
			(void) bbgw_preserve_files(files, unseen, true);
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
			looked_at = InvalidCommandId;
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
	if (!looking || !IsTransactionState() ||
		GetCurrentCommandId(false) == looked_at ||
		(commit_in_flight && of_no_concern))
		return;

	looking = false;			/* not while looking */
	look_at_files();
	looked_at = GetCurrentCommandId(false);
	looking = true;
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
