/*-------------------------------------------------------------------------
 *
 * verdict.c
 *	  What is to become of a preserved file?
 *
 * To unlink the file of a live table is the worst that this extension could
 * do.  So there are two locks on that door, and either alone keeps it shut.
 *
 * The first is the outcome of the transaction on record.  Only one that is
 * known to have committed has left its file to us.  The commit log knows that
 * of any transaction that a row of a table may still have, and no other; a
 * record may be older.
 *
 * The second is the catalog: no file goes that pg_class or the relation map
 * refers to.  It matters where a file's number belongs to another relation by
 * now.  The server gives a number away again when no file has it, so that can
 * only be if the file was unlinked, but not the record.  A sweep that is
 * interrupted leaves such a record behind; it has left its own transaction ID
 * in it, so that the first lock holds here as well.  Somebody may have removed
 * the file by hand; for that there is only the second.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/transam.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/relmapper.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "guard/verdict.h"

/*
 * How a transaction has ended.  Needs a transaction with a snapshot.
 *
 * Those lost in a crash have aborted: a record carries its transaction ID into
 * the WAL, so that no later transaction gets that ID.
 */
BbgwOutcome
bbgw_outcome(FullTransactionId xid)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum		status;
	char	   *name;

	/* if ever, after pg_resetwal; pg_xact_status() would raise an error */
	if (!FullTransactionIdPrecedes(xid, ReadNextFullTransactionId()))
		return BBGW_UNKNOWN;

	/* minds epochs, and the truncation of the commit log */
	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = FullTransactionIdGetDatum(xid);
	fcinfo->args[0].isnull = false;
	status = pg_xact_status(fcinfo);
	if (fcinfo->isnull)
		return BBGW_UNKNOWN;
	name = TextDatumGetCString(status);
	if (strcmp(name, "committed") == 0)
		return BBGW_COMMITTED;
	if (strcmp(name, "aborted") == 0)
		return BBGW_ABORTED;
	return BBGW_IN_PROGRESS;
}

/*
 * The name that users see for an outcome.
 */
const char *
bbgw_outcome_name(BbgwOutcome outcome)
{
	switch (outcome)
	{
		case BBGW_IN_PROGRESS:
			return "in progress";
		case BBGW_COMMITTED:
			return "committed";
		case BBGW_ABORTED:
			return "aborted";
		case BBGW_UNKNOWN:
			break;
	}
	return "unknown";
}

/*
 * What the transactions on record say.  Needs a transaction with a snapshot.
 */
BbgwVerdict
bbgw_verdict_by_xid(const BbgwPreserved *record)
{
	if (FullTransactionIdIsValid(record->unlinker))
	{
		switch (bbgw_outcome(record->unlinker))
		{
			case BBGW_COMMITTED:
				return BBGW_FORGET;
			case BBGW_IN_PROGRESS:
				return BBGW_WAIT;
			case BBGW_UNKNOWN:
				return BBGW_DOUBT;
			case BBGW_ABORTED:
				break;			/* the file is still there */
		}
	}

	switch (bbgw_outcome(record->xid))
	{
		case BBGW_COMMITTED:
			return BBGW_UNLINK;
		case BBGW_ABORTED:
			return BBGW_FORGET;
		case BBGW_IN_PROGRESS:
			return BBGW_WAIT;
		case BBGW_UNKNOWN:
			break;
	}
	return BBGW_DOUBT;
}

/*
 * Has this version of a row been deleted, or never been valid, for everybody
 * who comes after the snapshot?
 */
static bool
is_dead(HeapTupleHeader header, Snapshot snapshot)
{
	TransactionId xmin = HeapTupleHeaderGetXmin(header);
	TransactionId xmax;

	if (!HeapTupleHeaderXminCommitted(header) &&
		!TransactionIdIsInProgress(xmin) && !TransactionIdDidCommit(xmin))
		return true;

	if ((header->t_infomask & HEAP_XMAX_INVALID) ||
		HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask))
		return false;
	xmax = HeapTupleHeaderGetUpdateXid(header);
	return TransactionIdIsValid(xmax) &&
		!XidInMVCCSnapshot(xmax, snapshot) && TransactionIdDidCommit(xmax);
}

/*
 * Does a relation of the database have this file, be it one that a transaction
 * in progress, or prepared, has made?
 *
 * "pg_class" is open, and locked since "snapshot" was taken or later; the
 * snapshot is registered.  Needs a transaction.
 *
 * A snapshot that sees rows as they are at the moment may see no version of a
 * row that is being updated, as each may be dead when the scan is there.  An
 * MVCC snapshot sees nothing of transactions in progress.  So the scan returns
 * all versions, and what is not known to be dead as of the snapshot counts.
 * None can escape: those that were there when the scan began are not removed,
 * as the snapshot holds VACUUM back, whatever becomes of them.
 */
bool
bbgw_file_in_use(Relation pg_class, Snapshot snapshot, Oid tablespace,
				 RelFileNumber number)
{
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	if (tablespace == MyDatabaseTableSpace)
	{
		if (OidIsValid(RelationMapFilenumberToOid(number, false)))
			return true;
		tablespace = InvalidOid;
	}

	ScanKeyInit(&key[0], Anum_pg_class_reltablespace, BTEqualStrategyNumber,
				F_OIDEQ,
				ObjectIdGetDatum(tablespace));
	ScanKeyInit(&key[1], Anum_pg_class_relfilenode, BTEqualStrategyNumber,
				F_OIDEQ,
				ObjectIdGetDatum(number));
	scan = systable_beginscan(pg_class, ClassTblspcRelfilenodeIndexId, true,
							  SnapshotAny, 2, key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Buffer		buffer = ((BufferHeapTupleTableSlot *) scan->slot)->buffer;

		/* files of temporary relations have names of their own */
		if (((Form_pg_class) GETSTRUCT(tuple))->relpersistence == RELPERSISTENCE_TEMP)
			continue;

		/* somebody may be about to write into the header */
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		found = !is_dead(tuple->t_data, snapshot);
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	}
	systable_endscan(scan);
	return found;
}
