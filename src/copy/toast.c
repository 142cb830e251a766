/*-------------------------------------------------------------------------
 *
 * toast.c
 *	  Values that are stored out of line, read without locks.
 *
 * The server's own functions lock the TOAST table and its index for each
 * value, and would wait where a table worker must not: for DDL that has the
 * table and everything belonging to it locked.  As of S, with its files there
 * to stay, nobody needs these locks.
 *
 * Nor is anything written.  An index scan prunes the pages that it comes to, and
 * marks entries of the index as dead; so rows are fetched here by the places
 * that the index names.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/heaptoast.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "copy/toast.h"

/* how many chunks (of some 2 kB) are read without a pause */
#define CHUNKS_PER_PAUSE 64

static void
report_damage(const BbgwToast *toast, Oid valueid, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("%s of toast value %u in %s", what, valueid,
					RelationGetRelationName(toast->rel))));
}

/*
 * The bytes of one chunk, checked for being the one expected.
 */
static const char *
chunk_data(const BbgwToast *toast, TupleTableSlot *slot, Oid valueid,
		   int32 expected,
		   int32 expected_size)
{
	struct varlena *chunk;
	bool		isnull;

	if (DatumGetInt32(slot_getattr(slot, 2, &isnull)) != expected)
		report_damage(toast, valueid, "unexpected chunk number");
	chunk = (struct varlena *) DatumGetPointer(slot_getattr(slot, 3, &isnull));
	if (VARATT_IS_EXTERNAL(chunk) || VARATT_IS_COMPRESSED(chunk) ||
		VARSIZE_ANY_EXHDR(chunk) != (Size) expected_size)
		report_damage(toast, valueid, "unexpected chunk size");
	return VARDATA_ANY(chunk);
}

/*
 * What sees the chunks of every row that S sees: S itself; but where VACUUM
 * FULL may have copied them since, whatever there is of a value, as the server
 * reads it.  While a row is there for S, no other value gets the same OID.
 */
static Snapshot
chunk_snapshot(const BbgwToast *toast)
{
	static SnapshotData any = {.snapshot_type = SNAPSHOT_TOAST};

	return toast->rewritten ? &any : GetActiveSnapshot();
}

/*
 * Fetches a value that is external on disk, as it is stored there, possibly
 * compressed.  The result is palloc'd.  Needs a transaction as of S with S as
 * active snapshot.
 */
struct varlena *
bbgw_toast_fetch(const BbgwToast *toast, struct varlena *value)
{
	struct varatt_external pointer;
	struct varlena *result;
	int32		size;
	int32		nchunks;
	int32		chunk = 0;
	ScanKeyData key;
	IndexScanDesc scan;
	ItemPointer place;
	Snapshot	snapshot = chunk_snapshot(toast);
	TupleTableSlot *slot;

	VARATT_EXTERNAL_GET_POINTER(pointer, value);
	if (toast->rel == NULL ||
		RelationGetRelid(toast->rel) != pointer.va_toastrelid)
		elog(ERROR, "toast value %u is in relation %u, which is not the table's",
			 pointer.va_valueid, pointer.va_toastrelid);

	size = VARATT_EXTERNAL_GET_EXTSIZE(pointer);
	nchunks = (size + TOAST_MAX_CHUNK_SIZE - 1) / TOAST_MAX_CHUNK_SIZE;
	result = palloc(size + VARHDRSZ);
	if (size < pointer.va_rawsize - VARHDRSZ)
		SET_VARSIZE_COMPRESSED(result, size + VARHDRSZ);
	else
		SET_VARSIZE(result, size + VARHDRSZ);

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(pointer.va_valueid));
	slot = table_slot_create(toast->rel, NULL);
	scan = bbgw_index_beginscan(toast->rel, toast->index, snapshot, 1);
	index_rescan(scan, &key, 1, NULL, 0);
	while ((place = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		int32		offset = chunk * TOAST_MAX_CHUNK_SIZE;
		int32		length = Min(size - offset, (int32) TOAST_MAX_CHUNK_SIZE);

		if (!table_tuple_fetch_row_version(toast->rel, place, snapshot, slot))
			continue;
		if (chunk >= nchunks)
			report_damage(toast, pointer.va_valueid, "unexpected last chunk");
		memcpy(VARDATA(result) + offset,
			   chunk_data(toast, slot, pointer.va_valueid, chunk, length),
			   length);
		if (++chunk % CHUNKS_PER_PAUSE == 0)
			toast->pause();
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	if (chunk != nchunks)
		report_damage(toast, pointer.va_valueid, "missing chunk");
	return result;
}
