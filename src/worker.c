/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  A table worker: takes units from the plan and writes a data file of each.
 *
 * A unit is one transaction as of S.  In it the worker holds ACCESS SHARE on
 * the table it reads, on its TOAST table and on that one's index, and nothing
 * else.  Catalogs are locked only for the moment of a cache miss.
 *
 * Reads go through a ring of buffers, as those of any big sequential scan, and
 * so leave the working set of others alone.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "archive.h"
#include "asof.h"
#include "bgworker.h"
#include "rowtext.h"
#include "throttle.h"

static BbgwBackup *my_backup;
static BbgwWorkerSlot *my_slot;

static void
worker_exit(int code, Datum arg)
{
	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	my_slot->pid = 0;
	my_slot->relid = InvalidOid;
	LWLockRelease(bbgw_shared->lock);
}

/*
 * Shows in backup_workers and pg_stat_activity what is being read, if anything.
 */
static void
show_relation(const BbgwTable *table)
{
	char		activity[2 * NAMEDATALEN + 32];

	if (table)
	{
		snprintf(activity, sizeof(activity), "backup of table %s.%s",
				 NameStr(table->nspname), NameStr(table->relname));
		pgstat_report_activity(STATE_RUNNING, activity);
	}
	else
		pgstat_report_activity(STATE_IDLE, NULL);

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	my_slot->relid = table ? table->heap.oid : InvalidOid;
	if (table)
	{
		my_slot->nspname = table->nspname;
		my_slot->relname = table->relname;
	}
	LWLockRelease(bbgw_shared->lock);
}

static void
error_context(void *arg)
{
	const BbgwTable *table = arg;

	errcontext("backup of table \"%s.%s\"",
			   NameStr(table->nspname), NameStr(table->relname));
}

/*
 * Locks a relation as long as the transaction lasts and makes sure that its
 * file is that of S.
 */
static void
lock_storage(const BbgwTable *table, const BbgwStorage *storage)
{
	if (!OidIsValid(storage->oid))
		return;

	LockRelationOid(storage->oid, AccessShareLock);
	if (!bbgw_storage_is_current(storage))
		bbgw_storage_lost(NameStr(table->nspname), NameStr(table->relname));
}

static void
check_open_storage(const BbgwTable *table, const BbgwStorage *storage)
{
	Relation	rel;
	bool		ok;

	if (!OidIsValid(storage->oid))
		return;

	rel = RelationIdGetRelation(storage->oid);
	ok = RelationIsValid(rel) && bbgw_storage_is_open(storage, rel);
	if (RelationIsValid(rel))
		RelationClose(rel);
	if (!ok)
		bbgw_storage_lost(NameStr(table->nspname), NameStr(table->relname));
}

/*
 * Tells about progress.  TOAST is read along with the heap; how much of it a
 * block draws in nobody knows, so every block counts for its share of both.
 */
static void
advance(uint64 *counted, uint64 target)
{
	uint64		bytes = target - *counted;

	*counted = target;
	pg_atomic_fetch_add_u64(&my_backup->bytes_done, bytes);
	pg_atomic_fetch_add_u64(&my_slot->bytes_done, bytes);
	bbgw_throttle(my_backup, bytes);
}

static void
scan_unit(Relation rel, BbgwUnit *unit, BbgwRowText *rowtext)
{
	TableScanDesc scan;
	TupleTableSlot *slot;
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	BlockNumber end;
	BlockNumber block = unit->start;
	uint64		counted = 0;

	end = unit->nblocks == InvalidBlockNumber ? nblocks :
												Min(nblocks, unit->start + unit->nblocks);
	if (unit->start < end)
	{
		scan = table_beginscan_strat(rel, GetActiveSnapshot(), 0, NULL, true, false);
		if (unit->start > 0 || end < nblocks)
			heap_setscanlimits(scan, unit->start, end - unit->start);
		slot = table_slot_create(rel, NULL);
		while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		{
			BlockNumber here = ItemPointerGetBlockNumberNoCheck(&slot->tts_tid);

			CHECK_FOR_INTERRUPTS();
			if (here > block && here < end)
			{
				advance(&counted, (uint64) ((double) unit->bytes *
											(here - unit->start) / (end - unit->start)));
				block = here;
			}
			bbgw_rowtext_row(rowtext, slot);
			unit->rows++;
		}
		ExecDropSingleTupleTableSlot(slot);
		table_endscan(scan);
	}
	advance(&counted, unit->bytes);
}

static void
back_up_unit(BbgwPlan *plan, BbgwUnit *unit, BbgwSink *sink, dsm_handle snapshot)
{
	BbgwTable  *table = &plan->tables[unit->table];
	ErrorContextCallback callback;
	Relation	rel;
	BbgwRowText *rowtext;

	show_relation(table);
	callback.callback = error_context;
	callback.arg = table;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	bbgw_asof_begin(snapshot, my_backup->leader_pid);

	lock_storage(table, &table->heap);
	lock_storage(table, &table->toast);
	lock_storage(table, &table->toast_index);
	rel = table_open(table->heap.oid, NoLock);
	if (!bbgw_storage_is_open(&table->heap, rel))
		bbgw_storage_lost(NameStr(table->nspname), NameStr(table->relname));
	check_open_storage(table, &table->toast);
	check_open_storage(table, &table->toast_index);

	bbgw_sink_begin(sink, bbgw_archive_data_path(my_backup, table, unit->slice));
	rowtext = bbgw_rowtext_begin(RelationGetDescr(rel), sink);
	scan_unit(rel, unit, rowtext);
	table_close(rel, NoLock);
	bbgw_rowtext_end(rowtext);

	/* nothing more is read: writing what is left may take its time */
	bbgw_asof_commit();
	bbgw_sink_end(sink, &unit->file);

	error_context_stack = callback.previous;
	unit->done = true;
	if (pg_atomic_add_fetch_u32(&table->nunits_done, 1) == table->nunits)
		pg_atomic_fetch_add_u64(&my_backup->tables_done, 1);
	show_relation(NULL);
}

/*
 * Waits for the leader to publish the plan.
 */
static BbgwPlan *
wait_for_plan(dsm_handle *snapshot)
{
	dsm_handle	plan;
	dsm_segment *seg;

	for (;;)
	{
		LWLockAcquire(bbgw_shared->lock, LW_SHARED);
		plan = my_backup->plan;
		*snapshot = my_backup->snapshot;
		LWLockRelease(bbgw_shared->lock);

		if (plan != DSM_HANDLE_INVALID)
			break;
		ConditionVariableTimedSleep(&my_backup->cv, 1000, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();

	seg = dsm_attach(plan);
	if (seg == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the leader of the backup is gone")));
	dsm_pin_mapping(seg);
	return dsm_segment_address(seg);
}

static void
work(void)
{
	dsm_handle	snapshot;
	BbgwPlan   *plan = wait_for_plan(&snapshot);
	BbgwUnit   *units = BBGW_PLAN_UNITS(plan);
	BbgwSink   *sink;
	uint32		next;

	sink = bbgw_sink_create(my_backup->order.compression, my_backup->order.compression_level,
							&my_backup->bytes_written);
	while ((next = pg_atomic_fetch_add_u32(&plan->next_unit, 1)) < plan->nunits)
		back_up_unit(plan, &units[next], sink, snapshot);

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	my_slot->finished = true;
	LWLockRelease(bbgw_shared->lock);
}

/*
 * Entry point.  The argument is the number of the backup's slot times
 * BBGW_MAX_JOBS, plus the worker's own number.
 */
void
bbgw_worker_main(Datum arg)
{
	my_backup = &bbgw_shared->backups[DatumGetInt32(arg) / BBGW_MAX_JOBS];
	my_slot = &my_backup->workers[DatumGetInt32(arg) % BBGW_MAX_JOBS];
	before_shmem_exit(worker_exit, 0);
	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	my_slot->pid = MyProcPid;
	LWLockRelease(bbgw_shared->lock);

	bbgw_bgworker_connect(my_backup->order.dboid);
	bbgw_bgworker_search_path();

	MemoryContextSwitchTo(TopMemoryContext);
	PG_TRY();
	{
		work();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		/* The leader is to know why.  The first error is the one that counts. */
		MemoryContextSwitchTo(TopMemoryContext);
		edata = CopyErrorData();
		LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
		if (my_backup->worker_error.sqlerrcode == 0)
			bbgw_error_capture(&my_backup->worker_error, edata);
		LWLockRelease(bbgw_shared->lock);
		PG_RE_THROW();
	}
	PG_END_TRY();
}
