/*-------------------------------------------------------------------------
 *
 * sweep.c
 *	  Unlinks preserved files that no backup needs any more.
 *
 * A sweep goes through the registry of a database.  Of each file in it,
 *
 * - if a running backup needs it, it stays.  While one is failing, that is
 *	 anything: nobody says what its processes still read;
 *
 * - if the transaction that would have unlinked it is still in progress, or
 *	 prepared, it stays: nobody knows yet;
 *
 * - if that transaction has aborted, the file is in use as before: it is
 *	 forgotten;
 *
 * - if that transaction is known to have committed, and nothing in the catalog
 *	 says that the file is in use, it is unlinked, as if by DROP TABLE: with the
 *	 commit of a transaction, whose WAL record tells standbys;
 *
 * - if nobody can tell, it stays, on record, and the log says so, once.
 *
 * verdict.c has the details.  The sweep's own transaction ID is in the record
 * before it commits.  So it is known of each record whether its file has been
 * unlinked, even if the sweep never comes to forget it; its number may be in use
 * by another relation then.
 *
 * Then, if nothing is left and no guard is armed, the registry goes too.
 * There is no sweep at all while sessions as of some S may have pages of
 * preserved files pinned (readers.c); the last of them has one made later.
 *
 * sweepers.c says when there are sweeps.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "guard/guard.h"
#include "guard/guard_parties.h"
#include "guard/pending.h"
#include "guard/readers.h"
#include "guard/registry.h"
#include "guard/sweep.h"
#include "guard/verdict.h"

/* how long a sweep waits for commits before it leaves an empty registry, in ms */
#define DRAIN_TIMEOUT 10000

/*
 * Unlinks a file with the end of the transaction.
 */
static void
drop_file(const BbgwPreserved *record)
{
	RelFileLocator locator;

	locator.spcOid = record->tablespace;
	locator.dbOid = MyDatabaseId;
	locator.relNumber = record->number;
	bbgw_pending_add(locator);
}

static char *
file_path(const BbgwPreserved *record)
{
	return bbgw_relation_path(MyDatabaseId, record->tablespace,
							  record->number, MAIN_FORKNUM);
}

static bool
wait_for_commits(void)
{
	BbgwCommits *commits = bbgw_guard_commits();
	int			pid;

	for (int waited = 0; !bbgw_guard_drained(commits, &pid); waited += 10)
	{
		if (waited > DRAIN_TIMEOUT)
			return false;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 10,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return true;
}

/*
 * What the transactions say about each record, unless a running backup needs the
 * file.
 */
static BbgwVerdict *
judge_by_xid(const BbgwPreservedAt *records, int n)
{
	BbgwVerdict *verdicts = palloc_extended(Max(n, 1) * sizeof(BbgwVerdict),
											MCXT_ALLOC_HUGE);
	BbgwParties *parties = bbgw_parties_find();

	for (int i = 0; i < n; i++)
	{
		const BbgwPreserved *record = &records[i].record;

		CHECK_FOR_INTERRUPTS();
		if (parties->failing ||
			bbgw_parties_need(parties, record->tablespace, record->number,
							  NULL, NULL) != 0)
			verdicts[i] = BBGW_WAIT;
		else
			verdicts[i] = bbgw_verdict_by_xid(record);
	}
	bbgw_parties_free(parties);
	return verdicts;
}

/*
 * Asks the catalog about those files that may have to be unlinked.  The
 * transactions have been asked before: what the catalog says is newer.
 */
static void
judge_by_catalog(const BbgwPreservedAt *records, int n, BbgwVerdict *verdicts)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	Relation	pg_class = table_open(RelationRelationId, AccessShareLock);

	for (int i = 0; i < n; i++)
	{
		const BbgwPreserved *record = &records[i].record;

		CHECK_FOR_INTERRUPTS();
		if (verdicts[i] != BBGW_UNLINK && verdicts[i] != BBGW_DOUBT)
			continue;
		if (bbgw_file_in_use(pg_class, snapshot, record->tablespace,
							 record->number))
		{
			ereport(LOG,
					(errmsg("file \"%s\", which was preserved for a backup, is in use: it stays",
							file_path(record))));
			verdicts[i] = BBGW_FORGET;
		}
		else if (verdicts[i] == BBGW_DOUBT &&
				 access(file_path(record), F_OK) != 0 && errno == ENOENT)
			verdicts[i] = BBGW_FORGET;
	}
	table_close(pg_class, AccessShareLock);
	UnregisterSnapshot(snapshot);
}

static void
report_doubt(const BbgwPreserved *record)
{
	ereport(LOG,
			(errmsg("file \"%s\", which was preserved for a backup, stays: it is no longer known whether transaction " UINT64_FORMAT " committed",
					file_path(record), U64FromFullTransactionId(record->xid)),
			 errdetail("If it did, nobody needs the file. No relation of the database refers to it."),
			 errhint("To get rid of the file, stop the server and remove it.")));
}

/*
 * Unlinks the files that may go, with the commit of the current transaction.
 * The records say so before, and what else has become of them.
 */
static void
unlink_files(RelFileNumber registry, BbgwPreservedAt *records, int n,
			 const BbgwVerdict *verdicts)
{
	BbgwPreservedAt *changed = palloc_extended(Max(n, 1) * sizeof(BbgwPreservedAt),
											   MCXT_ALLOC_HUGE);
	int			nchanged = 0;
	int			nfiles = 0;
	uint64		bytes = 0;

	for (int i = 0; i < n; i++)
	{
		BbgwPreserved *record = &records[i].record;

		if (verdicts[i] == BBGW_UNLINK)
		{
			/* a commit that unlinks must have an ID anyhow */
			record->unlinker = GetTopFullTransactionId();
			drop_file(record);
			nfiles++;
			bytes += record->bytes;
		}
		else if (verdicts[i] == BBGW_DOUBT && !record->doubtful)
		{
			report_doubt(record);
			record->doubtful = 1;
		}
		else
			continue;
		changed[nchanged++] = records[i];
	}
	if (nchanged > 0)
		bbgw_registry_update(registry, changed, nchanged);
	if (nfiles > 0)
		ereport(LOG,
				(errmsg("unlinking %d files that were preserved for a backup (" UINT64_FORMAT " kB)",
						nfiles, bytes / 1024)));
}

/*
 * Forgets the records that are done with, or drops the registry if it is closed,
 * that is, will not grow, and they all are.
 */
static void
forget_files(RelFileNumber registry, bool closed, BbgwPreservedAt *records,
			 int n, const BbgwVerdict *verdicts)
{
	int			ndone = 0;

	for (int i = 0; i < n; i++)
	{
		if (verdicts[i] != BBGW_FORGET && verdicts[i] != BBGW_UNLINK)
			continue;
		records[ndone] = records[i];
		records[ndone++].record.live = 0;
	}
	if (closed && ndone == n)
	{
		bbgw_registry_drop(registry);
		(void) GetCurrentTransactionId();
	}
	else if (ndone > 0)
		bbgw_registry_update(registry, records, ndone);
}

/*
 * The caller holds the registry's lock, so that no guard is armed meanwhile.
 */
static void
sweep_registry(RelFileNumber registry)
{
	/*
	 * if no guard is armed, and no commit underway that saw one, it will not
	 * grow
	 */
	bool		closed = !bbgw_guard_armed(MyDatabaseId) && wait_for_commits();
	MemoryContext caller_context = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller_context,
												  "backup_bgw sweep",
												  ALLOCSET_DEFAULT_SIZES);
	BbgwPreservedAt *records;
	BbgwVerdict *verdicts;
	int			n;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(context);
	records = bbgw_registry_read(registry, &n);
	verdicts = judge_by_xid(records, n);
	judge_by_catalog(records, n, verdicts);
	unlink_files(registry, records, n, verdicts);
	PopActiveSnapshot();
	CommitTransactionCommand();

	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	forget_files(registry, closed, records, n, verdicts);
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller_context);
	MemoryContextDelete(context);
}

/*
 * Sweeps in the current database, unless there are sessions as of some S.  The
 * caller is in no transaction, and not as of some S.  Waits for other sweeps
 * there.
 */
void
bbgw_sweep(void)
{
	RelFileNumber registry = InvalidRelFileNumber;

	if (bbgw_registry_find(MyDatabaseTableSpace, MyDatabaseId,
						   InvalidRelFileNumber) == InvalidRelFileNumber)
		return;

	bbgw_registry_lock();
	if (bbgw_readers_exclude())
	{
		while ((registry = bbgw_registry_find(MyDatabaseTableSpace, MyDatabaseId,
											  registry)) != InvalidRelFileNumber)
			sweep_registry(registry);
		bbgw_readers_readmit();
	}
	else
		ereport(LOG,
				(errmsg("files that were preserved for a backup of database %u stay until no session uses its snapshot",
						MyDatabaseId)));
	bbgw_registry_unlock();
}
