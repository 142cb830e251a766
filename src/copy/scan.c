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
 * - before it writes, as a file system may take as long as it likes, and before
 *	 it compresses a block, where that takes long.  Looking around is no remedy
 *	 then: who comes while a write blocks would wait.
 *
 * In the middle of a row that is copied first.  The scan goes on after it, if
 * possible with the locks: rows that S sees keep their place as long as there
 * is S.
 *
 * Catalogs, which are read only if the user asks for them, are kept locked to
 * their end (plan.h).
 *
 * Pages are read here and not by a scan of the table's access method.  It is
 * only a page that has to be found again, rows are not copied anywhere, and
 * nothing is written but hints: no page is pruned, none marked as all-visible.
 *
 * Without the locks VACUUM may cut empty pages off the end of the table.  So
 * then each page is copied (page.c), and read from there.
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
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
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

/* after how many rows the worker asks whether it is time to look around */
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
	Relation	rel;
	BufferAccessStrategy strategy;
	BbgwRowText *rowtext;
	Buffer		buffer;			/* the page of block "next", while pinned */
	ReadStream *stream;			/* pages from there on, or NULL */
	BlockNumber ahead;			/* what the stream reads next, */
	BlockNumber ahead_end;		/* up to here */
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
 * What a stream is to read, one block after another.
 */
static BlockNumber
next_ahead(ReadStream *stream, void *private, void *per_buffer)
{
	return scan.ahead < scan.ahead_end ? scan.ahead++ : InvalidBlockNumber;
}

/*
 * Gives up the pages that have been read ahead.
 */
static void
end_stream(void)
{
	if (scan.stream)
		read_stream_end(scan.stream);
	scan.stream = NULL;
}

/*
 * Gives up everything by which the worker could keep others waiting.  What is
 * left of the row at hand can be read all the same, but from another place.
 */
static void
let_go(void)
{
	if (needs_lock())
		return;
	if (BufferIsValid(scan.buffer))
	{
		bbgw_rowtext_detach(scan.rowtext);
		ReleaseBuffer(scan.buffer);
		scan.buffer = InvalidBuffer;
	}
	end_stream();
	bbgw_tablelock_release();
}

/*
 * Gives up what others wait for.
 */
static void
look_around(void)
{
	if (!bbgw_time_to_look(&scan.looked))
		return;

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
	/* while large objects are written, nothing is held */
	if (scan.table != NULL)
		let_go();
}

/*
 * Sleeps for max_rate.
 */
static void
throttle(void)
{
	while (bbgw_throttle_nap(scan.due, BBGW_LOOK_INTERVAL))
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
 * Reads what is left of block scan.next, unless the table is let go of
 * meanwhile: then it is still scan.next.
 */
static void
scan_block(Snapshot snapshot)
{
	OffsetNumber rows[MaxHeapTuplesPerPage];
	int			nrows;

	if (scan.stream)
		scan.buffer = read_stream_next_buffer(scan.stream, NULL);
	else
		scan.buffer = ReadBufferExtended(scan.rel, MAIN_FORKNUM, scan.next,
										 RBM_NORMAL, scan.strategy);
	Assert(BufferGetBlockNumber(scan.buffer) == scan.next);
	nrows = bbgw_page_visible_rows(scan.rel, scan.buffer, snapshot, scan.row,
								   rows);
	for (int i = 0; i < nrows; i++)
	{
		HeapTupleData tuple;

		bbgw_page_row(scan.rel, scan.next, BufferGetPage(scan.buffer), rows[i],
					  &tuple);
		bbgw_rowtext_row(scan.rowtext, &tuple);
		scan.row = rows[i];
		if (++scan.unit->rows % ROWS_PER_LOOK == 0)
			look_around();
		if (!BufferIsValid(scan.buffer))
			return;
	}
	ReleaseBuffer(scan.buffer);
	scan.buffer = InvalidBuffer;
	scan.row = InvalidOffsetNumber;
	advance_to(scan.next + 1);
}

/*
 * Reads blocks from scan.next to "end", or until the table is let go of.
 */
static void
scan_range(BlockNumber end)
{
	Snapshot	snapshot = GetActiveSnapshot();

	/*
	 * Pages are pinned as they are read ahead, so that must not be for long.
	 */
	if (!needs_lock() && scan.backup->order.max_rate == 0)
	{
		scan.ahead = scan.next;
		scan.ahead_end = end;
		scan.stream = read_stream_begin_relation(READ_STREAM_FULL |
												 READ_STREAM_SEQUENTIAL,
												 scan.strategy, scan.rel,
												 MAIN_FORKNUM, next_ahead,
												 NULL, 0);
	}

	do
	{
		scan_block(snapshot);
		look_around();
	} while (bbgw_tablelock_held() && scan.next < end);
	end_stream();
}

/*
 * Reads block scan.next without the locks.
 */
static void
read_copy(void)
{
	static PGAlignedBlock block;
	Page		page = block.data;
	Snapshot	snapshot = GetActiveSnapshot();

	switch (bbgw_page_read(scan.table, scan.rel, scan.next, page))
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
		HeapTupleData tuple;

		if (!ItemIdIsNormal(PageGetItemId(page, ++scan.row)))
			continue;
		bbgw_page_row(scan.rel, scan.next, page, scan.row, &tuple);
		if (!bbgw_page_sees(snapshot, tuple.t_data))
			continue;
		bbgw_rowtext_row(scan.rowtext, &tuple);
		scan.unit->rows++;
	}
	scan.row = InvalidOffsetNumber;
	advance_to(scan.next + 1);
	look_around();
}

static void
scan_heap(void)
{
	/* its size may be another one since the plan was made */
	if (scan.table->is_catalog)
		scan.end = RelationGetNumberOfBlocks(scan.rel);

	scan.strategy = GetAccessStrategy(BAS_BULKREAD);
	while (scan.next < scan.end)
	{
		if (bbgw_tablelock_held() || bbgw_tablelock_try(scan.table))
		{
			/* pages may have been cut off, but none that S sees rows in */
			BlockNumber end = Min(scan.end,
								  RelationGetNumberOfBlocks(scan.rel));

			if (scan.next < end)
				scan_range(end);
			else
				advance_to(scan.end);
		}
		else
			read_copy();
	}
	FreeAccessStrategy(scan.strategy);
}

/*
 * Reads a table whose access method we know nothing about, in one go and with
 * the lock.
 */
static void
scan_other(void)
{
	TupleTableSlot *slot = table_slot_create(scan.rel, NULL);
	TableScanDesc desc = bbgw_quiet_scan_begin(scan.rel, GetActiveSnapshot());

	while (table_scan_getnextslot(desc, ForwardScanDirection, slot))
	{
		bool		ours;
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, true, &ours);

		tuple->t_self = slot->tts_tid;
		bbgw_rowtext_row(scan.rowtext, tuple);
		if (ours)
			heap_freetuple(tuple);
		scan.unit->rows++;
		look_around();
	}
	table_endscan(desc);
	ExecDropSingleTupleTableSlot(slot);
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
	scan.rel = open_storage(&table->heap);
	if (bbgw_table_has_toast(table))
	{
		toast.rel = open_storage(&table->toast);
		toast.index = open_storage(&table->toast_index);
	}

	scan.rowtext = bbgw_rowtext_begin(scan.rel, &toast, sink);
	if (table->is_heap)
		scan_heap();
	else
		scan_other();
	bbgw_rowtext_end(scan.rowtext);
	scan.rowtext = NULL;

	close_storage(toast.index);
	close_storage(toast.rel);
	close_storage(scan.rel);
	bbgw_tablelock_release();
	bbgw_release_locks();

	bbgw_rowtext_end_mark(sink);
	advance(unit->bytes);
	scan.table = NULL;
	return true;
}
