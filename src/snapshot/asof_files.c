/*-------------------------------------------------------------------------
 *
 * asof_files.c
 *	  Were the files that a query as of S has read still whole?
 *
 * The guard keeps files for the backup, not for sessions of users that look at
 * its S: as soon as the backup has read a table, or has ended, the table's
 * files of that time may be unlinked, and then look empty for a while, instead
 * of being missing.  So after a query, the files of its tables are looked at.
 * One that pg_class names now, or that the guard keeps now, has been there all
 * the time: neither ever comes back.
 *
 * pg_dump's session needs no such look.  The backup is not through with any
 * file before pg_dump is.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "nodes/parsenodes.h"
#include "utils/fmgroids.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

#include "guard/guard_parties.h"
#include "snapshot/asof.h"

/*
 * Does pg_class say at this moment, not as of S, that this is the relation's
 * file?
 */
static bool
is_current(Oid relid, RelFileNumber number)
{
	Relation	pg_class = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		same = false;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	InvalidateCatalogSnapshot();
	scan = systable_beginscan(pg_class, ClassOidIndexId, true,
							  GetNonHistoricCatalogSnapshot(RelationRelationId), 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		same = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode == number;
	systable_endscan(scan);
	table_close(pg_class, AccessShareLock);
	InvalidateCatalogSnapshot();
	return same;
}

static bool
is_guarded(BbgwParties *parties, int64 backup_id,
		   const RelFileLocator *locator)
{
	for (int i = 0; i < parties->n; i++)
	{
		BbgwNeededFile *file;

		if (parties->party[i].id == backup_id &&
			bbgw_party_needs(&parties->party[i], locator->spcOid,
							 locator->relNumber, &file))
			return true;
	}
	return false;
}

/*
 * Looks at a relation, then at what its out-of-line values are in.
 */
static bool
is_whole(BbgwParties *parties, int64 backup_id, Oid relid)
{
	Relation	rel = RelationIdGetRelation(relid);
	RelFileLocator locator;
	List	   *more = NIL;
	ListCell   *lc;
	bool		whole;

	if (!RelationIsValid(rel))
		return false;
	locator = bbgw_relation_locator(rel);
	if (OidIsValid(rel->rd_rel->reltoastrelid))
		more = list_make1_oid(rel->rd_rel->reltoastrelid);
	else if (rel->rd_rel->relkind == RELKIND_TOASTVALUE)
		more = RelationGetIndexList(rel);
	whole = !RELKIND_HAS_STORAGE(rel->rd_rel->relkind) ||
		rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP ||
		is_guarded(parties, backup_id, &locator) ||
		is_current(relid, locator.relNumber);
	RelationClose(rel);

	foreach(lc, more)
		whole = whole && is_whole(parties, backup_id, lfirst_oid(lc));
	return whole;
}

/*
 * Raises an error if one of these relations, as of the S of this backup, may
 * have looked empty.  To be called as of S after they have been read.
 */
void
bbgw_asof_check_files(List *range_table, int64 backup_id)
{
	BbgwParties *parties = bbgw_parties_find();
	ListCell   *lc;

	foreach(lc, range_table)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION &&
			rte->relid >= FirstNormalObjectId &&
			!is_whole(parties, backup_id, rte->relid))
		{
			Relation	rel = RelationIdGetRelation(rte->relid);

			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("rows of relation \"%s\" as of the snapshot of backup " INT64_FORMAT " are gone",
							RelationIsValid(rel) ? RelationGetRelationName(rel) : "?", backup_id),
					 errdetail("It was truncated, rewritten or dropped, and the backup no longer needs what it was.")));
		}
	}
	bbgw_parties_free(parties);
}
