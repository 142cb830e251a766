/*-------------------------------------------------------------------------
 *
 * guarded_snapshot.c
 *	  Takes S, with all files that belong to it guarded.
 *
 * First the guard is armed, and preserves everything.  Transactions that were
 * about to commit just then may not have seen it and have to end before S is
 * taken: S must not need what they unlink.  When S is there, so is the set of
 * files to be guarded.
 *
 * Nor must S need what transactions unlink that were prepared before; they
 * could be committed at any time later, and nothing looks at them again then.
 * It may be hours until they end, for which not everything can be preserved.
 * So they are waited for before the guard is armed, and once it is, and who was
 * committing has ended, it is looked whether there are new ones.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/twophase.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "backup/guarded_snapshot.h"
#include "guard/guard.h"
#include "guard/horizon.h"
#include "guard/sweep.h"
#include "snapshot/asof.h"
#include "snapshot/catalog_files.h"

/* how often to look for commits, and for prepared transactions, to end, in ms */
#define COMMIT_NAP	 5
#define PREPARED_NAP 200

/*
 * Waits until the transactions have ended that were committing when the guard
 * was armed and may not have seen it.
 */
static void
wait_for_commits(int timeout, void (*nap) (long ms))
{
	BbgwCommits *commits = bbgw_guard_commits();
	TimestampTz start = GetCurrentTimestamp();
	int			pid;

	while (!bbgw_guard_drained(commits, &pid))
	{
		if (timeout > 0 &&
			TimestampDifferenceExceeds(start, GetCurrentTimestamp(), timeout))
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("timed out waiting for the process with PID %d to commit", pid),
					 errdetail("Its transaction unlinks files. The snapshot of the backup can be taken only when such commits have ended."),
					 errhint("It may be waiting for a synchronous standby, or for its client to read. If it does not end, terminate its session; see also backup_bgw.commit_timeout.")));
		nap(COMMIT_NAP);
	}
	pfree(commits);
}

/*
 * The names of prepared transactions that may unlink files of this database,
 * or NULL if there are none.
 *
 * Who unlinks a file has its relation locked, as ACCESS EXCLUSIVE.  Only ALTER
 * SEQUENCE does with SHARE ROW EXCLUSIVE, as it lets others read on.  Relations
 * that a transaction has made itself it has locked, too, but nobody else sees
 * them.
 */
static char *
prepared_transactions(void)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *names;
	int			ret;

	if (max_prepared_xacts == 0)
		return NULL;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();

	/*
	 * The functions, as loading the rules of views means to hold one index of
	 * pg_rewrite and wait for another, and so invites deadlocks with REINDEX.
	 */
	ret = SPI_execute("SELECT string_agg(pg_catalog.quote_literal(p.gid), ', ' ORDER BY p.prepared, p.gid)"
					  " FROM pg_catalog.pg_prepared_xact() p"
					  " WHERE EXISTS (SELECT FROM pg_catalog.pg_lock_status() x"
					  "   JOIN pg_catalog.pg_lock_status() l USING (virtualtransaction)"
					  "   WHERE x.locktype = 'transactionid' AND x.transactionid = p.transaction"
					  "   AND x.pid IS NULL AND l.pid IS NULL"
					  "   AND l.locktype = 'relation'"
					  "   AND EXISTS (SELECT FROM pg_catalog.pg_class c"
					  "    WHERE c.oid = l.relation AND c.relkind IN ('r', 'i', 'S', 't', 'm')"
					  "    AND (l.mode = 'AccessExclusiveLock'"
					  "     OR (c.relkind = 'S' AND l.mode IN ('ShareRowExclusiveLock', 'ExclusiveLock'))))"
					  "   AND l.database = p.dbid AND p.dbid ="
					  "    (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))",
					  true, 0);
	if (ret != SPI_OK_SELECT)
		elog(ERROR, "could not read prepared transactions: %s", SPI_result_code_string(ret));
	names = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (names)
		names = MemoryContextStrdup(context, names);
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return names;
}

/*
 * Are there such transactions?  Raises an error if there must not be.
 */
static bool
find_prepared_transactions(int what)
{
	char	   *names = prepared_transactions();

	if (names == NULL)
		return false;
	if (what == BBGW_PREPARED_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("a prepared transaction may unlink files that the backup needs"),
				 errdetail("Of these transactions, prepared before the backup, each has a table, index or sequence locked as is needed for that: %s.",
						   names),
				 errhint("Commit them or roll them back, or set backup_bgw.prepared_transactions to \"wait\".")));
	pfree(names);
	return true;
}

/*
 * Arms the guard, at a moment when nobody is about to unlink anything that has
 * not seen it.
 */
static void
arm_guard(BbgwGuard *guard, int64 backup_id,
		  const BbgwRequestSettings *settings, void (*nap) (long ms))
{
	for (;;)
	{
		while (find_prepared_transactions(settings->prepared_transactions))
			nap(PREPARED_NAP);

		bbgw_horizon_hold();
		bbgw_guard_arm(guard, backup_id,
					   (uint64) settings->max_preserved_size * 1024);
		wait_for_commits(settings->commit_timeout, nap);
		if (!find_prepared_transactions(settings->prepared_transactions) &&
			bbgw_horizon_held())
			return;

		bbgw_guard_disarm(guard, 0);
		bbgw_sweep();
	}
}

/*
 * Are there tables with user_catalog_table = true?
 */
static bool
has_catalog_tables(void)
{
	int			ret;
	bool		any;

	ret = SPI_execute("SELECT FROM pg_catalog.pg_class c,"
					  " pg_catalog.pg_options_to_table(c.reloptions) AS o"
					  " WHERE c.relkind = 'r' AND o.option_name = 'user_catalog_table'"
					  " AND o.option_value::pg_catalog.bool",
					  true, 1);
	if (ret != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_class: %s", SPI_result_code_string(ret));
	any = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	return any;
}

/*
 * Arms the guard and takes S.  Returns the set of files that are guarded,
 * which stays mapped.
 *
 * The caller is a background worker without transaction; it has one
 * afterwards, which holds S, as of S and with S as active snapshot.  "nap" is
 * called to sleep while others are waited for; it may raise an error to end
 * that.
 */
BbgwNeededSet *
bbgw_guarded_snapshot_take(BbgwBackup *backup,
						   const BbgwRequestSettings *settings,
						   void (*nap) (long ms))
{
	MemoryContext context = CurrentMemoryContext;
	BbgwGuard  *guard = bbgw_guard_of(backup->number);
	dsm_segment *snapshot;
	dsm_segment *needed;
	bool		own_files;

	arm_guard(guard, backup->id, settings, nap);

	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	snapshot = bbgw_snapshot_take();
	if (!bbgw_horizon_held())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("transaction numbers have passed a boundary while the snapshot of the backup was taken"),
				 errhint("Try again.")));
	dsm_pin_mapping(snapshot);
	SPI_connect();
	needed = bbgw_needed_create();
	own_files = bbgw_catalog_files_own(has_catalog_tables());
	bbgw_release_locks();
	SPI_finish();
	dsm_pin_mapping(needed);
	bbgw_guard_publish(guard, needed);
	if (own_files)
		bbgw_catalog_files_pin(backup->id);

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	backup->snapshot = dsm_segment_handle(snapshot);
	backup->own_files = own_files;
	LWLockRelease(bbgw_shared->lock);
	return dsm_segment_address(needed);
}
