/*-------------------------------------------------------------------------
 *
 * asof_present.c
 *	  Looks at the present from a process that is as of S.
 *
 * Caches are of no use here, as they are as of S.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "snapshot/asof_session.h"

/*
 * The row of a catalog, as committed by now, that has this OID, palloc'd; NULL
 * if there is none.
 */
static HeapTuple
present_row(Oid catalog, Oid index, AttrNumber column, Oid oid)
{
	Relation	rel = table_open(catalog, AccessShareLock);
	ScanKeyData key;
	Snapshot	snapshot;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(oid));
	InvalidateCatalogSnapshot();
	snapshot = RegisterSnapshot(GetNonHistoricCatalogSnapshot(catalog));
	scan = systable_beginscan(rel, index, true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	InvalidateCatalogSnapshot();
	return tuple;
}

/*
 * The file that pg_class says at this moment is the relation's; invalid if the
 * relation is gone.  Needs a transaction as of S.
 */
RelFileNumber
bbgw_present_file(Oid relid)
{
	HeapTuple	tuple = present_row(RelationRelationId, ClassOidIndexId,
									Anum_pg_class_oid, relid);
	RelFileNumber number = InvalidRelFileNumber;

	if (HeapTupleIsValid(tuple))
	{
		number = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode;
		heap_freetuple(tuple);
	}
	return number;
}

/*
 * Is the role a superuser at this moment?  Needs a transaction as of S.
 */
bool
bbgw_present_superuser(Oid roleid)
{
	HeapTuple	tuple = present_row(AuthIdRelationId, AuthIdOidIndexId,
									Anum_pg_authid_oid, roleid);
	bool		super = false;

	if (HeapTupleIsValid(tuple))
	{
		super = ((Form_pg_authid) GETSTRUCT(tuple))->rolsuper;
		heap_freetuple(tuple);
	}
	return super;
}
