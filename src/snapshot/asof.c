/*-------------------------------------------------------------------------
 *
 * asof.c
 *	  Reading catalogs and data as of a snapshot S of another process.
 *
 * The server has what is needed for logical decoding: while a "historic
 * snapshot" is set up, every catalog scan and so every cache uses it.  Ours is
 * no special one but an ordinary MVCC snapshot, S.
 *
 * Entering costs the caches: what they hold is of another time, so they are
 * emptied on entering and on leaving.  Background workers do not leave with
 * the end of a transaction; they are as of S again in the next one and look at
 * no catalog in between, unless they have called bbgw_asof_leave().
 *
 * GetTransactionSnapshot() returns S too while it is set up, provided that the
 * transaction has no snapshot of its own.  So the holder takes S as a catalog
 * snapshot, which does not count as one, and the others do not import S by the
 * usual road.
 *
 * What protects S is the xmin of its holder.  A process as of S advertises the
 * same xmin, but the files of a relation are protected by no xmin: storage.c.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"

#include "guard/readers.h"
#include "snapshot/asof.h"
#include "snapshot/catalog_files.h"

/* S of the present transaction, registered with its top resource owner */
static Snapshot asof_snapshot = NULL;

/* a background worker does not go back to the present between transactions */
static bool stay_asof = false;

static bool callback_registered = false;

/* what fills the caches of a background worker is in this many transactions */
#define TRANSACTIONS_PER_CACHE 4

/*
 * CREATE INDEX CONCURRENTLY waits for every snapshot older than its own, but
 * not for those of processes that only run such a command themselves and so
 * will look at no table but theirs.  We look at no index at all, but for
 * catalogs' and those of TOAST tables, and need not be waited for either.
 */
static void
mark_in_safe_ic(void)
{
	LWLockAcquire(ProcArrayLock, LW_EXCLUSIVE);
	MyProc->statusFlags |= PROC_IN_SAFE_IC;
	ProcGlobal->statusFlags[MyProc->pgxactoff] = MyProc->statusFlags;
	LWLockRelease(ProcArrayLock);
}

/*
 * Some wait for all transactions of a database that were there when they
 * began, pg_repack for one, and DROP INDEX CONCURRENTLY for all that have the
 * table locked.  Nobody need wait for a process as of S.  Without the lock on
 * its virtual transaction ID the transaction counts as ended with those who
 * wait, for as long as it lasts.
 */
static void
hide_virtual_transaction(void)
{
	VirtualXactLockTableCleanup();
}

/*
 * Raises an error if the transaction has written.  It would have done so
 * through the index files of S, which may not be those of the present any
 * more.  So far that is harmless: index entries, in whatever files, of row
 * versions that will never have been there.
 */
void
bbgw_asof_check_unwritten(void)
{
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot write in a transaction that uses the snapshot of a backup"),
				 errdetail("A transaction ID has been assigned.")));
}

static void
asof_teardown(void)
{
	asof_snapshot = NULL;
	TeardownHistoricSnapshot(false);
	bbgw_catalog_files_reset();
	if (!stay_asof)
		InvalidateSystemCaches();
}

static void
asof_xact_callback(XactEvent event, void *arg)
{
	Snapshot	snapshot;

	if (asof_snapshot == NULL)
		return;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			bbgw_asof_check_unwritten();

			/*
			 * Left to the resource owner, S would be warned of as a leak, and
			 * given up here it must not be used by what is still to come.
			 */
			snapshot = asof_snapshot;
			asof_teardown();
			UnregisterSnapshotFromOwner(snapshot, TopTransactionResourceOwner);
			break;

		case XACT_EVENT_ABORT:
			asof_teardown();
			break;

		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot prepare a transaction that uses the snapshot of a backup")));
			break;

		default:
			break;
	}
}

/*
 * What the server takes for the present snapshot it may give a command ID of
 * its own, unless that is one of its static snapshots, which it copies before.
 */
static void
asof_setup(Snapshot snapshot)
{
	static SnapshotData present;

	if (!callback_registered)
	{
		RegisterXactCallback(asof_xact_callback, NULL);
		callback_registered = true;
	}

	present = *snapshot;
	present.copied = false;
	present.active_count = 0;
	present.regd_count = 0;

	asof_snapshot = snapshot;
	SetupHistoricSnapshot(&present, NULL);
}

/*
 * The server may have to look at catalogs on the way out, to drop temporary
 * tables for one, and must not do so with caches of another time.
 */
static void
asof_exit(int code, Datum arg)
{
	AbortOutOfAnyTransaction();
	bbgw_asof_leave();
}

/*
 * Takes S and brings the transaction of the caller, S's holder, as of S.  It
 * reads present files of catalogs where that is possible; see catalog_files.c.
 * Returns a new segment with S in it, to be given to bbgw_asof_enter() in
 * other processes, whose transactions may refer to it for as long as this one
 * lasts.
 *
 * Needs a transaction that has no snapshot yet.  S is also pushed as active
 * snapshot.  Only for background workers, and once in each.
 */
dsm_segment *
bbgw_snapshot_take(void)
{
	dsm_segment *seg;
	Snapshot	snapshot;

	Assert(IsTransactionState() && !FirstSnapshotSet && !bbgw_asof_active());

	stay_asof = true;
	before_shmem_exit(asof_exit, 0);

	/* one that was taken a moment ago may lack what has committed since */
	InvalidateCatalogSnapshot();
	snapshot = RegisterSnapshotOnOwner(GetCatalogSnapshot(RelationRelationId),
									   TopTransactionResourceOwner);
	InvalidateCatalogSnapshot();
	mark_in_safe_ic();
	hide_virtual_transaction();

	asof_setup(snapshot);
	bbgw_catalog_files_set(false);
	InvalidateSystemCaches();
	PushActiveSnapshot(snapshot);

	seg = dsm_create(EstimateSnapshotSpace(snapshot), 0);
	SerializeSnapshot(snapshot, dsm_segment_address(seg));
	return seg;
}

/*
 * Brings the present transaction as of the snapshot S in segment "handle",
 * which process "holder_pid" holds.  Ends with the transaction.  "own_files" is
 * what bbgw_catalog_files_own() said when S was taken.
 *
 * Needs a transaction that has no snapshot yet.  Raises an error if the holder
 * is gone.  Leaves the caches to the caller.
 */
static Snapshot
asof_restore(dsm_handle handle, int holder_pid, bool own_files)
{
	dsm_segment *seg;
	bool		attached = false;
	PGPROC	   *holder;
	Snapshot	snapshot = NULL;

	Assert(IsTransactionState() && !FirstSnapshotSet && !bbgw_asof_active());

	seg = dsm_find_mapping(handle);
	if (seg == NULL)
	{
		seg = dsm_attach(handle);
		attached = true;
	}
	if (seg != NULL)
	{
		snapshot = RestoreSnapshot(dsm_segment_address(seg));
		if (attached)
			dsm_detach(seg);
	}

	InvalidateCatalogSnapshot();
	holder = BackendPidGetProc(holder_pid);
	if (snapshot == NULL || holder == NULL ||
		!ProcArrayInstallRestoredXmin(snapshot->xmin, holder))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the snapshot of the backup is gone"),
				 errdetail("The process with PID %d no longer holds it.", holder_pid)));
	mark_in_safe_ic();

	snapshot = RegisterSnapshotOnOwner(snapshot, TopTransactionResourceOwner);
	asof_setup(snapshot);
	bbgw_catalog_files_set(own_files);
	return snapshot;
}

/*
 * Brings the present transaction of a session as of S; see asof_restore().
 * At its end the session is back in the present.  Until then no preserved file
 * of the database is unlinked, as the session may have pages pinned.  "hide" is
 * for pg_dump's, which nobody need wait for.
 */
Snapshot
bbgw_asof_enter(dsm_handle handle, int holder_pid, bool own_files, bool hide)
{
	Snapshot	snapshot;

	bbgw_readers_join();
	snapshot = asof_restore(handle, holder_pid, own_files);
	if (hide)
		hide_virtual_transaction();

	InvalidateSystemCaches();
	return snapshot;
}

/*
 * Starts a transaction as of S, with S as active snapshot, in a background
 * worker that does nothing else; see asof_restore().  Nobody waits for its end.
 *
 * Caches keep what they know of every table that was ever opened, which with
 * many tables is a lot of memory.  So they are emptied from time to time, which
 * takes about as long as reading some small tables does, of which there are many
 * in one transaction.
 */
void
bbgw_asof_begin(dsm_handle handle, int holder_pid, bool own_files)
{
	static int	ntransactions = 0;

	StartTransactionCommand();
	PushActiveSnapshot(asof_restore(handle, holder_pid, own_files));
	hide_virtual_transaction();
	if (!stay_asof || ++ntransactions >= TRANSACTIONS_PER_CACHE)
	{
		InvalidateSystemCaches();
		stay_asof = true;
		ntransactions = 0;
	}
}

/*
 * Ends a transaction of bbgw_asof_begin() or bbgw_snapshot_take().
 */
void
bbgw_asof_commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * Brings a background worker back to the present, between transactions.
 */
void
bbgw_asof_leave(void)
{
	Assert(!IsTransactionState());

	if (!stay_asof)
		return;
	stay_asof = false;
	StartTransactionCommand();
	InvalidateSystemCaches();
	CommitTransactionCommand();
}

/*
 * Is the present transaction as of some S?
 */
bool
bbgw_asof_active(void)
{
	return asof_snapshot != NULL;
}

/*
 * Makes the setting that every process as of S needs, for the rest of the
 * transaction in a session, for good in a background worker: the statistics of
 * dropped tables must not come back to life.
 */
void
bbgw_asof_settings(void)
{
	(void) set_config_option("track_counts", "off", PGC_SUSET, PGC_S_SESSION,
							 stay_asof || !IsTransactionState() ?
							 GUC_ACTION_SET : GUC_ACTION_LOCAL,
							 true, 0, false);
}
