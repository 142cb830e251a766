/*-------------------------------------------------------------------------
 *
 * object_rows.c
 *	  Rows of the catalogs of large objects, read standing in nobody's way.
 *
 * These are pg_largeobject, a row of which is a page of a large object, and
 * pg_largeobject_metadata, which says what large objects there are.  They are
 * read in the order of their index, some rows at a time, each time with the
 * catalog and the index locked anew.  The locks are not kept for longer than it
 * takes to fill the caller's buffer, nor while somebody waits for them; and
 * nothing is done meanwhile that could take long.
 *
 * Between two such times VACUUM FULL or REINDEX may have come by.  Where present
 * files are read, the next time opens the new ones, which have all rows that S
 * sees; where those of S are read, these stay (catalog_files.c).  One thing does
 * not do: the index of one time with the heap of another.
 *
 * Nothing is written but hints.  As an index scan prunes the pages that it comes
 * to, rows are fetched here by the places that the index names (toast.c).  Unlike
 * chunks of TOAST these rows are updated, so the place may be that of an older
 * version, from where a chain of them begins.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/itup.h"
#include "access/relscan.h"
#include "catalog/pg_largeobject.h"
#include "catalog/pg_largeobject_metadata.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/large_object.h"
#include "utils/fmgroids.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

#include "copy/object_rows.h"
#include "copy/tablelock.h"

/* What is open; one catalog at a time */
static struct
{
	Relation	heap;
	Relation	index;
	BlockNumber nblocks;		/* of the heap */
	BufferAccessStrategy strategy;
	Buffer		buffer;			/* pinned, or invalid */
	instr_time	looked;
}			source;

static Relation
open_relation(Oid oid)
{
	Relation	rel = RelationIdGetRelation(oid);

	if (!RelationIsValid(rel))
		elog(ERROR, "could not open relation %u", oid);
	return rel;
}

/*
 * Returns false if others have the catalog locked.  With "wait" waits for them.
 */
static bool
open_catalog(Oid catalog, Oid index, bool wait)
{
	if (!bbgw_tablelock_catalog(catalog, index, wait))
		return false;
	source.heap = open_relation(catalog);
	source.index = open_relation(index);
	source.nblocks = RelationGetNumberOfBlocks(source.heap);
	source.strategy = GetAccessStrategy(BAS_BULKREAD);
	source.buffer = InvalidBuffer;
	INSTR_TIME_SET_CURRENT(source.looked);
	return true;
}

static void
close_catalog(void)
{
	if (BufferIsValid(source.buffer))
		ReleaseBuffer(source.buffer);
	FreeAccessStrategy(source.strategy);
	RelationClose(source.index);
	RelationClose(source.heap);
	bbgw_tablelock_release();
}

/*
 * Is it time to give up the locks?
 */
static bool
is_wanted(void)
{
	return bbgw_time_to_look(&source.looked) && bbgw_tablelock_wanted();
}

/*
 * Hands over the row that S sees of those that begin at this place, if there is
 * one.  Returns false if it was not taken.
 *
 * The index of S may name places that are no more.  After REINDEX, VACUUM sees to
 * the new index only, and may have cut pages off that had no rows for S.
 */
static bool
take_from(ItemPointer place, Snapshot snapshot, BbgwTakeRow take, bool *seen)
{
	ItemPointerData tid = *place;
	BlockNumber block = ItemPointerGetBlockNumber(&tid);
	HeapTupleData row;
	bool		taken = true;

	*seen = false;
	if (block >= source.nblocks)
		return true;
	if (!BufferIsValid(source.buffer) ||
		BufferGetBlockNumber(source.buffer) != block)
	{
		if (BufferIsValid(source.buffer))
			ReleaseBuffer(source.buffer);
		source.buffer = InvalidBuffer;
		source.buffer = ReadBufferExtended(source.heap, MAIN_FORKNUM, block,
										   RBM_NORMAL, source.strategy);
	}
	LockBuffer(source.buffer, BUFFER_LOCK_SHARE);
	*seen = heap_hot_search_buffer(&tid, source.heap, source.buffer, snapshot,
								   &row, NULL, true);
	if (*seen)
		taken = take(&row);
	LockBuffer(source.buffer, BUFFER_LOCK_UNLOCK);
	return taken;
}

/*
 * The key of the index entry that the scan has come to.
 */
static BbgwObjectPosition
entry_key(IndexScanDesc scan)
{
	TupleDesc	desc = RelationGetDescr(source.index);
	BbgwObjectPosition key = {0};
	bool		isnull;

	key.oid = DatumGetObjectId(index_getattr(scan->xs_itup, 1, desc, &isnull));
	if (desc->natts > 1)
		key.page = DatumGetInt32(index_getattr(scan->xs_itup, 2, desc, &isnull));
	return key;
}

static bool
is_same(const BbgwObjectPosition *a, const BbgwObjectPosition *b)
{
	return a->oid == b->oid && a->page == b->page;
}

/*
 * Reads what the index of the open catalog has for some keys, and notes where
 * to go on if it was not all.
 *
 * A key may have several entries, of which S sees the row of one.  Once that has
 * been taken the others, which may come after it, are of no interest.  Whoever
 * waits has to wait for the first key, or with many entries there it might be
 * begun with again and again.
 */
static BbgwObjectRows
read_rows(ScanKey keys, int nkeys, BbgwTakeRow take,
		  BbgwObjectPosition *position)
{
	Snapshot	snapshot = GetActiveSnapshot();
	BbgwObjectPosition first = {0};
	BbgwObjectPosition taken = {0};
	BbgwObjectRows result = BBGW_ROWS_ALL;
	IndexScanDesc scan;
	ItemPointer place;

	scan = bbgw_index_beginscan(source.heap, source.index, snapshot, nkeys);
	scan->xs_want_itup = true;
	index_rescan(scan, keys, nkeys, NULL, 0);
	while (result == BBGW_ROWS_ALL &&
		   (place = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		BbgwObjectPosition key = entry_key(scan);
		bool		seen = false;

		CHECK_FOR_INTERRUPTS();
		if (first.oid == InvalidOid)
			first = key;
		if (!take_from(place, snapshot, take, &seen))
			result = BBGW_ROWS_SOME;
		else
		{
			if (seen)
				taken = key;
			if ((taken.oid != InvalidOid || !is_same(&key, &first)) &&
				is_wanted())
				result = BBGW_ROWS_WANTED;
		}
		if (result == BBGW_ROWS_ALL)
			continue;

		*position = key;
		if (is_same(&key, &taken))
		{
			if (source.heap->rd_id == LargeObjectRelationId)
				position->page++;
			else
				position->oid++;
		}
	}
	index_endscan(scan);
	return result;
}

/*
 * Reads pages of large objects from *position on, in the order of OID and page
 * number, up to those of OID "last"; notes where to go on.
 *
 * The caller is as of S, in a transaction that has it as active snapshot.
 * With "wait" waits for others who have the catalog locked.
 */
BbgwObjectRows
bbgw_object_pages(BbgwObjectPosition *position, Oid last, BbgwTakeRow take,
				  bool wait)
{
	BbgwObjectRows result = BBGW_ROWS_ALL;

	if (!open_catalog(LargeObjectRelationId, LargeObjectLOidPNIndexId, wait))
		return BBGW_ROWS_LOCKED;
	while (result == BBGW_ROWS_ALL && position->oid <= last)
	{
		bool		inside = position->page > 0;
		Oid			oid = (Oid) position->oid;
		ScanKeyData keys[2];

		if (position->page > PG_INT32_MAX)
		{
			position->oid++;
			position->page = 0;
			continue;
		}
		if (inside)
		{
			ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_OIDEQ,
						ObjectIdGetDatum(oid));
			ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT4GE,
						Int32GetDatum((int32) position->page));
		}
		else
		{
			ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_OIDGE,
						ObjectIdGetDatum(oid));
			ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_OIDLE,
						ObjectIdGetDatum(last));
		}
		result = read_rows(keys, 2, take, position);
		if (result == BBGW_ROWS_ALL)
		{
			position->oid = (uint64) (inside ? oid : last) + 1;
			position->page = 0;
		}
	}
	close_catalog();
	return result;
}

/* where take_oid() puts them */
static Oid *found;
static int	nfound;

static bool
take_oid(HeapTuple row)
{
	if (nfound == BBGW_MAX_OBJECTS)
		return false;
	found[nfound++] = ((Form_pg_largeobject_metadata) GETSTRUCT(row))->oid;
	return true;
}

/*
 * Finds the large objects there are from *position to "last", at most
 * BBGW_MAX_OBJECTS of them, as bbgw_object_pages() does.
 */
BbgwObjectRows
bbgw_object_oids(BbgwObjectPosition *position, Oid last, Oid *oids, int *n,
				 bool wait)
{
	ScanKeyData keys[2];
	BbgwObjectRows result;
	uint64		least = position->oid;

	*n = 0;
	if (position->oid > last)
		return BBGW_ROWS_ALL;
	if (!open_catalog(LargeObjectMetadataRelationId,
					  LargeObjectMetadataOidIndexId, wait))
		return BBGW_ROWS_LOCKED;
	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_OIDGE,
				ObjectIdGetDatum((Oid) position->oid));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_OIDLE,
				ObjectIdGetDatum(last));
	found = oids;
	nfound = 0;
	result = read_rows(keys, 2, take_oid, position);
	if (result == BBGW_ROWS_ALL)
		position->oid = (uint64) last + 1;
	close_catalog();

	*n = nfound;
	for (int i = 0; i < nfound; i++)
	{
		if (oids[i] < least || oids[i] > last)
			ereport(ERROR,
					(errcode(ERRCODE_INDEX_CORRUPTED),
					 errmsg("unexpected large object %u in pg_largeobject_metadata", oids[i])));
		least = (uint64) oids[i] + 1;
	}
	return result;
}

/*
 * How big these large objects will be as files, at most, by the number of their
 * last page in the index.  Looks at some, at least at one, if that is possible at
 * once, and returns at how many.
 */
int
bbgw_object_sizes(const Oid *oids, int n, uint64 *sizes)
{
	IndexScanDesc scan;
	int			i = 0;

	if (!open_catalog(LargeObjectRelationId, LargeObjectLOidPNIndexId, false))
		return 0;
	scan = bbgw_index_beginscan(source.heap, source.index, GetActiveSnapshot(),
								1);
	scan->xs_want_itup = true;
	while (i < n && (i == 0 || !is_wanted()))
	{
		ScanKeyData key;

		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(oids[i]));
		index_rescan(scan, &key, 1, NULL, 0);
		sizes[i] = 0;
		if (index_getnext_tid(scan, BackwardScanDirection) != NULL)
		{
			bool		isnull;
			int32		page = DatumGetInt32(index_getattr(scan->xs_itup, 2,
														   RelationGetDescr(source.index),
														   &isnull));

			sizes[i] = ((uint64) Max(page, 0) + 1) * LOBLKSIZE;
		}
		i++;
	}
	index_endscan(scan);
	close_catalog();
	return i;
}
