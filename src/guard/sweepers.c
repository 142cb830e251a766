/*-------------------------------------------------------------------------
 *
 * sweepers.c
 *	  When there are sweeps, and the processes that make them.
 *
 * There are sweeps during a backup, by table workers that have read what was
 * preserved; when a backup starts and when it has ended, however that was; and
 * when the server has started, also after a promotion or a recovery to a point
 * in time; and after a crash, if there was a backup then.  What belongs to
 * transactions that are prepared for longer waits for the next of these.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/procsignal.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"

#include "bgworker.h"
#include "guard/registry.h"
#include "guard/sweep.h"

/* how often to look whether a background worker has ended, in ms */
#define WORKER_NAP 100

/*
 * Waits for a background worker to end.  A process that is about to exit lets
 * no interrupts in, not even the one that DROP DATABASE wants every process of
 * the server to have seen.  That may be what the worker waits for.
 */
static void
wait_for_worker(BackgroundWorkerHandle *handle)
{
	pid_t		pid;

	while (GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED)
	{
		int			event = WaitLatch(MyLatch,
									  WL_LATCH_SET | WL_TIMEOUT | WL_POSTMASTER_DEATH,
									  WORKER_NAP, PG_WAIT_EXTENSION);

		if (event & WL_POSTMASTER_DEATH)
			break;
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ProcSignalBarrierPending)
			ProcessProcSignalBarrier();
	}
}

/*
 * Has a sweeper sweep in a database, and waits for it.
 */
static void
request_sweep(Oid database)
{
	BackgroundWorkerHandle *handle;

	if (bbgw_bgworker_register("bbgw_sweeper_main", "sweeper", ObjectIdGetDatum(database),
							   0, BGW_NEVER_RESTART, &handle))
		wait_for_worker(handle);
	else
		ereport(LOG,
				(errmsg("could not start a sweeper for database %u: no background worker slot is free",
						database),
				 errdetail("Files that were preserved for a backup remain on disk until the next backup of the database, or the next start of the server.")));
}

/*
 * Entry point of a sweeper.  The argument is the OID of its database.
 */
void
bbgw_sweeper_main(Datum arg)
{
	bbgw_bgworker_connect(DatumGetObjectId(arg));
	bbgw_sweep();
}

/*
 * Has a database swept some time soon, and waits for nothing.  Returns false
 * if there is no slot for a background worker.  May be called at the end of a
 * transaction and when the calling process is about to exit; raises nothing.
 */
bool
bbgw_sweep_later(Oid database)
{
	return bbgw_bgworker_register("bbgw_late_sweep_main", "late sweep",
								  ObjectIdGetDatum(database), 0,
								  BGW_NEVER_RESTART, NULL);
}

/*
 * In a process that is not connected to anything: has a database swept.
 *
 * That may be about to be dropped, by somebody who waits for the process that
 * has asked for this to be gone.  So it is locked as if to connect to it, which
 * waits for DROP DATABASE, and if it is there nevertheless gets a sweeper.
 */
static void
sweep_if_there(Oid database)
{
	bool		exists;

	StartTransactionCommand();
	LockSharedObject(DatabaseRelationId, database, 0, RowExclusiveLock);
	exists = SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database));
	CommitTransactionCommand();
	if (exists)
		request_sweep(database);
}

/*
 * Entry point of the process that does.  The argument is the OID of the
 * database.
 */
void
bbgw_late_sweep_main(Datum arg)
{
	bbgw_bgworker_connect(InvalidOid);
	sweep_if_there(DatumGetObjectId(arg));
}

static bool
is_locked(Oid database)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
	return VirtualTransactionIdIsValid(*GetLockConflicts(&tag,
														 RowExclusiveLock,
														 NULL));
}

static bool
has_registry(void)
{
	return bbgw_registry_find(MyDatabaseTableSpace, MyDatabaseId,
							  InvalidRelFileNumber) != InvalidRelFileNumber;
}

/*
 * Has a sweeper sweep in the current database, if there is anything to sweep,
 * and waits for it; but if the database is being dropped or moved, that is done
 * later.  For a process that is about to exit.
 */
void
bbgw_sweep_request(void)
{
	if (!has_registry())
		return;
	if (is_locked(MyDatabaseId))
		(void) bbgw_sweep_later(MyDatabaseId);
	/* not locked any more may mean gone */
	else if (has_registry())
		request_sweep(MyDatabaseId);
}

/*
 * The databases that have a registry.
 */
static List *
find_databases(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *databases = NIL;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (bbgw_registry_find(database->dattablespace, database->oid,
							   InvalidRelFileNumber) != InvalidRelFileNumber)
		{
			MemoryContext save = MemoryContextSwitchTo(context);

			databases = lappend_oid(databases, database->oid);
			MemoryContextSwitchTo(save);
		}
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return databases;
}

/*
 * In a background worker that is not connected to anything: sweeps in all
 * databases that need it.
 */
void
bbgw_sweep_everywhere(void)
{
	ListCell   *lc;

	bbgw_bgworker_connect(InvalidOid);
	foreach(lc, find_databases())
		sweep_if_there(lfirst_oid(lc));
}

/*
 * Entry point of the process that sweeps after the server has started.
 */
void
bbgw_startup_sweep_main(Datum arg)
{
	bbgw_sweep_everywhere();
}

/*
 * Has the server sweep after each start.  To be called from _PG_init() at
 * preload time.
 */
void
bbgw_sweep_init(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags =
		BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	/* again after a crash, but not when it has ended as it should */
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "backup_bgw", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "bbgw_startup_sweep_main",
			sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "backup_bgw startup sweep", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "backup_bgw sweeper", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}
