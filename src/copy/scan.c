/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Reads a unit of the plan into a sink, standing in nobody's way.
 *
 * A unit is read in one transaction as of S, or in several.  In each the
 * worker has the table locked if it can (tablelock.c), and otherwise reads
 * without.  Every few milliseconds, also in the middle of a big row, it looks
 * around:
 *
 * - if somebody waits for the table, it gives up the locks at once and reads
 *	 on without them.  The transaction ends after the block, so that the next
 *	 one may have the locks again;
 *
 * - if somebody waits for its transaction, as DROP INDEX CONCURRENTLY does, or
 *	 just watches it, as pg_repack does, so that after a second nobody can
 *	 know, that ends after the block.
 *
 * Without the locks VACUUM may cut empty pages off the end of the table.  So
 * then each block is a scan of its own, begun after a look at the size.
 *
 * Reads go through a ring of buffers, as those of any big sequential scan, and
 * so leave the working set of others alone.  They write nothing but hints
 * (quiet_scans.c).
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/bufmgr.h"
#include "storage/latch.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "archive/archive.h"
#include "copy/rowtext.h"
#include "copy/scan.h"
#include "copy/tablelock.h"
#include "copy/throttle.h"
#include "snapshot/asof.h"
#include "snapshot/quiet_scans.h"

/* how often the worker looks around, in microseconds */
#define LOOK_INTERVAL 2000

/* how long a transaction lasts at most, but for a very big row, in microseconds */
#define MAX_TRANSACTION 1000000

/* and after how many rows it asks whether it is time to */
#define ROWS_PER_LOOK 32

/* how long a worker waits for VACUUM to leave a table, in ms */
#define VACUUM_NAP 5

/* What is being read.  One at a time; looking around is called from afar. */
static struct
{
	BbgwBackup *backup;
	BbgwWorkerSlot *slot;
	const BbgwTable *table;
	BbgwUnit   *unit;
	BlockNumber next;			/* rows of blocks before this one are written */
	BlockNumber end;
	uint64		counted;		/* of unit->bytes, in backup->bytes_done */
	uint64		due;			/* sleep until then */
	TableScanDesc desc;
	bool		stop;			/* end the transaction after this block */
	instr_time	looked;
	instr_time	begun;			/* the transaction */
}			scan;

/*
 * Gives up what others wait for.
 */
static void
look_around(void)
{
	instr_time	now;
	instr_time	since;

	INSTR_TIME_SET_CURRENT(now);
	since = now;
	INSTR_TIME_SUBTRACT(since, scan.looked);
	if (INSTR_TIME_GET_MICROSEC(since) < LOOK_INTERVAL)
		return;
	scan.looked = now;

	CHECK_FOR_INTERRUPTS();
	if (!scan.table->is_heap)
		return;
	if (bbgw_tablelock_wanted())
	{
		bbgw_tablelock_release();
		pg_atomic_fetch_add_u64(&scan.backup->lock_yields, 1);
		scan.stop = true;
		/* not a block more without a look at the size */
		((HeapScanDesc) scan.desc)->rs_numblocks = 1;
	}
	since = now;
	INSTR_TIME_SUBTRACT(since, scan.begun);
	if (INSTR_TIME_GET_MICROSEC(since) > MAX_TRANSACTION ||
		bbgw_tablelock_transaction_wanted())
		scan.stop = true;
}

/*
 * Sleeps for max_rate, but no longer than nobody waits.  What is left is slept
 * in the next transaction.
 */
static void
throttle(void)
{
	while (!scan.stop && bbgw_throttle_nap(scan.due, LOOK_INTERVAL))
		look_around();
}

/*
 * Tells about progress.  TOAST is read along with the heap; how much of it a
 * block draws in nobody knows, so every block counts for its share of both.
 */
static void
advance(uint64 target)
{
	uint64		bytes = target - scan.counted;

	scan.counted = target;
	pg_atomic_fetch_add_u64(&scan.backup->bytes_done, bytes);
	pg_atomic_fetch_add_u64(&scan.slot->bytes_done, bytes);

	if (scan.backup->order.max_rate > 0)
		scan.due = bbgw_throttle_book(scan.backup, bytes);
	throttle();
}

static void
advance_to(BlockNumber block)
{
	BlockNumber start = scan.unit->start;

	scan.next = block;
	advance(block >= scan.end ? scan.unit->bytes :
			(uint64) ((double) scan.unit->bytes *
					  (block - start) / (scan.end - start)));
}

/*
 * Opens a relation of the table, locked or not.  NULL if the table has none
 * such.
 */
static Relation
open_storage(const BbgwStorage *storage)
{
	Relation	rel;

	if (!OidIsValid(storage->oid))
		return NULL;

	rel = RelationIdGetRelation(storage->oid);
	if (!RelationIsValid(rel) || !bbgw_storage_is_open(storage, rel))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not open relation %u as of the snapshot of the backup",
						storage->oid)));
	return rel;
}

static void
close_storage(Relation rel)
{
	if (rel)
		RelationClose(rel);
}

/*
 * Reads blocks from scan.next to "end", or until it is time to stop.
 *
 * Rows come in the order of pages.  So whenever one of another page comes, all
 * of those before are written.
 */
static void
scan_range(TupleTableSlot *slot, BlockNumber end, BbgwRowText *rowtext)
{
	BlockNumber done = scan.next;	/* blocks before this one, that is */

	table_rescan(scan.desc, NULL);
	heap_setscanlimits(scan.desc, scan.next, end - scan.next);
	while (table_scan_getnextslot(scan.desc, ForwardScanDirection, slot))
	{
		BlockNumber here = ItemPointerGetBlockNumber(&slot->tts_tid);

		if (here >= done)
		{
			advance_to(here);
			if (scan.stop)
				return;
			done = here + 1;
		}
		bbgw_rowtext_row(rowtext, slot);
		if (++scan.unit->rows % ROWS_PER_LOOK == 0)
			look_around();
	}
	advance_to(scan.stop ? done : end);
}

static void
scan_heap(Relation rel, TupleTableSlot *slot, BbgwRowText *rowtext)
{
	while (scan.next < scan.end && !scan.stop)
	{
		BlockNumber nblocks;

		/* the lock first, or VACUUM may cut off pages after the look */
		if (!bbgw_tablelock_held())
			(void) bbgw_tablelock_try(scan.table);
		nblocks = RelationGetNumberOfBlocks(rel);

		/* pages may have been cut off, but none that S sees rows in */
		if (scan.next >= nblocks)
			advance_to(scan.end);
		else
		{
			BlockNumber end = bbgw_tablelock_held() ?
			Min(scan.end, nblocks) : scan.next + 1;

			scan_range(slot, end, rowtext);
		}
	}
}

/*
 * Reads a table whose access method we know nothing about, in one go.
 */
static void
scan_other(TupleTableSlot *slot, BbgwRowText *rowtext)
{
	while (table_scan_getnextslot(scan.desc, ForwardScanDirection, slot))
	{
		bbgw_rowtext_row(rowtext, slot);
		scan.unit->rows++;
		look_around();
	}
	advance_to(scan.end);
}

/*
 * One transaction's worth of work.  Returns false if the table is locked, and
 * without the lock it is not to be read.
 */
static bool
scan_some(BbgwSink *sink, dsm_handle snapshot, bool begun, bool insist)
{
	const BbgwTable *table = scan.table;
	BbgwToast	toast = {.pause = look_around};
	Relation	rel;
	TupleTableSlot *slot;
	BbgwRowText *rowtext;

	bbgw_asof_begin(snapshot, scan.backup->leader_pid,
					scan.backup->own_files);
	scan.stop = false;
	INSTR_TIME_SET_CURRENT(scan.begun);
	if (!bbgw_tablelock_try(table) &&
		((!begun && !insist) || !table->is_heap ||
		 bbgw_tablelock_vacuumed(table)))
	{
		bbgw_asof_commit();
		return false;
	}

	if (!begun)
		bbgw_sink_begin(sink,
						bbgw_archive_data_path(scan.backup, table->dump_id,
											   scan.unit->slice));
	rel = open_storage(&table->heap);
	toast.rel = open_storage(&table->toast);
	toast.index = open_storage(&table->toast_index);

	rowtext = bbgw_rowtext_begin(RelationGetDescr(rel), &toast, sink);
	slot = table_slot_create(rel, NULL);
	scan.desc = bbgw_quiet_scan_begin(rel, GetActiveSnapshot());
	throttle();
	if (table->is_heap)
		scan_heap(rel, slot, rowtext);
	else
		scan_other(slot, rowtext);
	table_endscan(scan.desc);
	ExecDropSingleTupleTableSlot(slot);
	bbgw_rowtext_end(rowtext);

	close_storage(toast.index);
	close_storage(toast.rel);
	close_storage(rel);
	bbgw_tablelock_forget();
	bbgw_asof_commit();
	return true;
}

/*
 * Reads a unit into a file of the sink, which it begins; ending it is left to
 * the caller.  Returns false, having begun nothing, if the table is locked by
 * others; with "insist" only if one of those is VACUUM.
 *
 * The caller is in no transaction.  What was read is to be believed only if
 * bbgw_guard_check() finds nothing wrong afterwards.
 */
bool
bbgw_scan_unit(BbgwBackup *backup, BbgwWorkerSlot *slot,
			   const BbgwTable *table,
			   BbgwUnit *unit, BbgwSink *sink, dsm_handle snapshot,
			   bool insist)
{
	bool		begun = false;

	memset(&scan, 0, sizeof(scan));
	scan.backup = backup;
	scan.slot = slot;
	scan.table = table;
	scan.unit = unit;
	scan.next = unit->start;
	scan.end = unit->start + unit->nblocks;
	INSTR_TIME_SET_CURRENT(scan.looked);

	do
	{
		if (scan_some(sink, snapshot, begun, insist))
			begun = true;
		else if (!begun)
			return false;
		else
		{
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 VACUUM_NAP, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
	} while (scan.next < scan.end);

	bbgw_rowtext_end_mark(sink);
	advance(unit->bytes);
	return true;
}
