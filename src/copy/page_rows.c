/*-------------------------------------------------------------------------
 *
 * page_rows.c
 *	  The rows of a page, and which of them S sees.
 *
 * For a page in a shared buffer the server's functions say so.  They also set
 * hints, for which they want that buffer; a copy of a page (page.c) has none.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "copy/page.h"

/*
 * A row as it lies in a page, which is that of a block of a table.  The item is
 * a normal one.  Raises an error if the row is not within the page.
 */
void
bbgw_page_row(Relation rel, BlockNumber block, Page page, OffsetNumber row,
			  HeapTuple tuple)
{
	ItemId		item = PageGetItemId(page, row);
	unsigned	offset = ItemIdGetOffset(item);

	if (unlikely(offset < SizeOfPageHeaderData ||
				 offset > BLCKSZ - SizeofHeapTupleHeader ||
				 ItemIdGetLength(item) > BLCKSZ - offset))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("row with ctid (%u,%u) of table \"%s\" is not within its page",
						block, row, RelationGetRelationName(rel))));
	ItemPointerSet(&tuple->t_self, block, row);
	tuple->t_tableOid = RelationGetRelid(rel);
	tuple->t_data = (HeapTupleHeader) PageGetItem(page, item);
	tuple->t_len = ItemIdGetLength(item);
}

/*
 * Which rows of a page, after one of them (0: all), a snapshot sees.  "rows" has
 * room for MaxHeapTuplesPerPage; returns how many there are.
 *
 * The buffer is pinned, and locked while it is looked at; rows that have been
 * found stay as they are while it is pinned.
 */
int
bbgw_page_visible_rows(Relation rel, Buffer buffer, Snapshot snapshot,
					   OffsetNumber after, OffsetNumber *rows)
{
	BlockNumber block = BufferGetBlockNumber(buffer);
	Page		page;
	OffsetNumber last;
	bool		all_visible;
	int			nrows = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	bbgw_test_old_snapshot(snapshot, rel, page);
	last = PageGetMaxOffsetNumber(page);
	all_visible = PageIsAllVisible(page) && !snapshot->takenDuringRecovery;
	for (OffsetNumber row = OffsetNumberNext(after); row <= last; row++)
	{
		HeapTupleData tuple;

		if (!ItemIdIsNormal(PageGetItemId(page, row)))
			continue;
		bbgw_page_row(rel, block, page, row, &tuple);
		if (all_visible ||
			HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer))
			rows[nrows++] = row;
	}
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	return nrows;
}

/*
 * Does a snapshot see what a transaction has done?  "committed": it is known to
 * have committed.
 */
static bool
sees_transaction(Snapshot snapshot, TransactionId xid, bool committed)
{
	return !XidInMVCCSnapshot(xid, snapshot) &&
		(committed || TransactionIdDidCommit(xid));
}

/*
 * Does an MVCC snapshot, taken by another transaction than this one, see a
 * row?  As HeapTupleSatisfiesMVCC(), which needs the buffer of the row.  Needs
 * pg_xact and pg_multixact to reach back to the snapshot.
 */
bool
bbgw_page_sees(Snapshot snapshot, HeapTupleHeader tuple)
{
	uint16		infomask = tuple->t_infomask;
	bool		committed = HeapTupleHeaderXminCommitted(tuple);

	if (HeapTupleHeaderXminInvalid(tuple))
		return false;
	if (!committed && (infomask & HEAP_MOVED) != 0)
	{
		/* by VACUUM FULL of a server before 9.0 */
		if (TransactionIdDidCommit(HeapTupleHeaderGetXvac(tuple)) !=
			((infomask & HEAP_MOVED_IN) != 0))
			return false;
	}
	else if (!HeapTupleHeaderXminFrozen(tuple) &&
			 !sees_transaction(snapshot, HeapTupleHeaderGetRawXmin(tuple),
							   committed))
		return false;

	if ((infomask & HEAP_XMAX_INVALID) != 0 ||
		HEAP_XMAX_IS_LOCKED_ONLY(infomask))
		return true;
	return !sees_transaction(snapshot, HeapTupleHeaderGetUpdateXid(tuple),
							 (infomask & (HEAP_XMAX_COMMITTED | HEAP_XMAX_IS_MULTI)) == HEAP_XMAX_COMMITTED);
}
