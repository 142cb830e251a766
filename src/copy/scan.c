/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Reads a unit of the plan into a sink, standing in nobody's way.
 *
 * A unit is read in a transaction as of S, which nobody waits for (asof.c).
 * The worker has the table locked if it can (tablelock.c), and otherwise reads
 * without.  It lets go of the table, of locks and pinned pages alike,
 *
 * - when somebody waits for the table.  It looks around for such every few
 *	 milliseconds, also in the middle of a big row;
 *
 * - before it writes, as a file system may take as long as it likes.  Looking
 *	 around is no remedy then: who comes while a write blocks would wait.
 *
 * In the middle of a row that is copied first.  The scan is begun anew after
 * it, if possible with the locks, and passes over what has been written.  Rows
 * that S sees keep their place as long as there is S.
 *
 * Catalogs, which are read only if the user asks for them, are kept locked to
 * their end (plan.h).
 *
 * Without the locks VACUUM may cut empty pages off the end of the table.  So
 * then each page is copied (page.c), and read from there.
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
#include "copy/page.h"
#include "copy/rowtext.h"
#include "copy/scan.h"
#include "copy/tablelock.h"
#include "copy/throttle.h"
#include "snapshot/asof.h"
#include "snapshot/quiet_scans.h"

/* how often the worker looks around, in microseconds */
#define LOOK_INTERVAL 2000

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
	OffsetNumber row;			/* rows of block "next" up to this one are
								 * written, too */
	TableScanDesc desc;
	TupleTableSlot *tuple;
	TupleTableSlot *copied;		/* for rows of pages that are copied */
	bool		reading;		/* desc has begun, and was not let go of */
	instr_time	looked;
}			scan;

/*
 * Must the table be kept locked to its end?
 */
static bool
needs_lock(void)
{
	return !scan.table->is_heap || scan.table->is_catalog;
}

/*
 * Gives up everything by which the worker could keep others waiting.  What is
 * left of the row at hand can be read all the same, but in its slot it is at
 * another place.
 */
static void
let_go(void)
{
	if (needs_lock())
		return;
	if (scan.reading)
	{
		scan.reading = false;
		if (!TTS_EMPTY(scan.tuple))
			ExecMaterializeSlot(scan.tuple);
		table_rescan(scan.desc, NULL);
	}
	bbgw_tablelock_release();
}

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
	if (!needs_lock() && bbgw_tablelock_wanted())
	{
		let_go();
		pg_atomic_fetch_add_u64(&scan.backup->lock_yields, 1);
	}
}

/*
 * To be called by the sink before it does something that may take long; also
 * at the end of a file, when the transaction, and all it had, is gone.
 */
void
bbgw_scan_before_blocking(void)
{
	let_go();
}

/*
 * Sleeps for max_rate.
 */
static void
throttle(void)
{
	while (bbgw_throttle_nap(scan.due, LOOK_INTERVAL))
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
	if (!RelationIsValid(rel) ||
		(!scan.table->is_catalog && !bbgw_storage_is_open(storage, rel)))
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
 * Reads blocks from scan.next to "end", or until the table is let go of.
 *
 * Rows come in the order of pages.  So whenever one of another page comes, all
 * of those before are written.
 */
static void
scan_range(BlockNumber end, BbgwRowText *rowtext)
{
	table_rescan(scan.desc, NULL);
	heap_setscanlimits(scan.desc, scan.next, end - scan.next);
	scan.reading = true;
	while (table_scan_getnextslot(scan.desc, ForwardScanDirection,
								  scan.tuple))
	{
		BlockNumber here = ItemPointerGetBlockNumber(&scan.tuple->tts_tid);
		OffsetNumber row = ItemPointerGetOffsetNumber(&scan.tuple->tts_tid);

		if (here != scan.next)
		{
			scan.row = InvalidOffsetNumber;
			advance_to(here);
			if (!scan.reading)
				return;
		}
		if (row <= scan.row)
			continue;
		bbgw_rowtext_row(rowtext, scan.tuple);
		scan.row = row;
		if (++scan.unit->rows % ROWS_PER_LOOK == 0)
			look_around();
		if (!scan.reading)
			return;
	}
	scan.reading = false;
	scan.row = InvalidOffsetNumber;
	advance_to(end);
}

/*
 * Reads block scan.next without the locks.
 */
static void
read_copy(Relation rel, BbgwRowText *rowtext)
{
	static PGAlignedBlock block;
	Page		page = block.data;
	Snapshot	snapshot = GetActiveSnapshot();

	switch (bbgw_page_read(scan.table, rel, scan.next, page))
	{
		case BBGW_PAGE_READ:
			break;
		case BBGW_PAGE_CUT_OFF:
			/* nor is there anything behind it that S sees */
			advance_to(scan.end);
			return;
		case BBGW_PAGE_BUSY:
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 VACUUM_NAP, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
			return;
	}
	while (scan.row < PageGetMaxOffsetNumber(page))
	{
		ItemId		item = PageGetItemId(page, ++scan.row);
		HeapTupleData tuple;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_len = ItemIdGetLength(item);
		ItemPointerSet(&tuple.t_self, scan.next, scan.row);
		tuple.t_tableOid = RelationGetRelid(rel);
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		if (!bbgw_page_sees(snapshot, tuple.t_data))
			continue;
		ExecStoreHeapTuple(&tuple, scan.copied, false);
		bbgw_rowtext_row(rowtext, scan.copied);
		ExecClearTuple(scan.copied);
		scan.unit->rows++;
	}
	scan.row = InvalidOffsetNumber;
	advance_to(scan.next + 1);
	look_around();
}

static void
scan_heap(Relation rel, BbgwRowText *rowtext)
{
	/* its size may be another one since the plan was made */
	if (scan.table->is_catalog)
		scan.end = RelationGetNumberOfBlocks(rel);

	while (scan.next < scan.end)
	{
		if (bbgw_tablelock_held() || bbgw_tablelock_try(scan.table))
		{
			/* pages may have been cut off, but none that S sees rows in */
			BlockNumber end = Min(scan.end, RelationGetNumberOfBlocks(rel));

			if (scan.next < end)
				scan_range(end, rowtext);
			else
				advance_to(scan.end);
		}
		else
			read_copy(rel, rowtext);
	}
}

/*
 * Reads a table whose access method we know nothing about, in one go and with
 * the lock.
 */
static void
scan_other(BbgwRowText *rowtext)
{
	while (table_scan_getnextslot(scan.desc, ForwardScanDirection,
								  scan.tuple))
	{
		bbgw_rowtext_row(rowtext, scan.tuple);
		scan.unit->rows++;
		look_around();
	}
	advance_to(scan.end);
}

/*
 * Reads a unit into a file of the sink, which it begins; ending it is left to
 * the caller.  Returns false, having begun nothing, if the table is locked by
 * others; with "insist" only if without the lock it cannot be read.
 *
 * The caller is as of S and has it as active snapshot.  No locks are left, and
 * no memory but in the current context.  The sink is one that calls
 * bbgw_scan_before_blocking().  What was read is to be believed only if
 * bbgw_guard_check() finds nothing wrong afterwards.
 */
bool
bbgw_scan_unit(BbgwBackup *backup, BbgwWorkerSlot *slot,
			   const BbgwTable *table,
			   BbgwUnit *unit, BbgwSink *sink, bool insist)
{
	BbgwToast	toast = {
		.pause = look_around,
		.rewritten = table->is_catalog
	};
	Relation	rel;
	BbgwRowText *rowtext;

	memset(&scan, 0, sizeof(scan));
	scan.backup = backup;
	scan.slot = slot;
	scan.table = table;
	scan.unit = unit;
	scan.next = unit->start;
	scan.end = unit->start + unit->nblocks;
	INSTR_TIME_SET_CURRENT(scan.looked);

	if (!bbgw_tablelock_try(table) &&
		(!insist || needs_lock()))
		return false;

	bbgw_sink_begin(sink, bbgw_archive_rows_path(backup, table->heap.oid,
												 unit->slice));
	rel = open_storage(&table->heap);
	toast.rel = open_storage(&table->toast);
	toast.index = open_storage(&table->toast_index);

	rowtext = bbgw_rowtext_begin(rel, &toast, sink);
	scan.tuple = table_slot_create(rel, NULL);
	scan.copied = MakeSingleTupleTableSlot(RelationGetDescr(rel),
										   &TTSOpsHeapTuple);
	scan.desc = bbgw_quiet_scan_begin(rel, GetActiveSnapshot());
	if (table->is_heap)
		scan_heap(rel, rowtext);
	else
		scan_other(rowtext);
	table_endscan(scan.desc);
	ExecDropSingleTupleTableSlot(scan.tuple);
	ExecDropSingleTupleTableSlot(scan.copied);
	bbgw_rowtext_end(rowtext);

	close_storage(toast.index);
	close_storage(toast.rel);
	close_storage(rel);
	bbgw_tablelock_release();
	bbgw_release_locks();

	bbgw_rowtext_end_mark(sink);
	advance(unit->bytes);
	return true;
}
