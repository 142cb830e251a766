/*-------------------------------------------------------------------------
 *
 * asof_files.c
 *	  Were the files that a query as of S has read still whole?
 *
 * The guard keeps files for the backup, not for sessions of users that look at
 * its S: as soon as the backup has read a table, or has ended, the table's
 * files of that time may be unlinked, and then look empty for a while, instead
 * of being missing.  So after a query, the files of its tables are looked at.
 * One that pg_class names now, or else one that the guard has preserved and
 * still keeps, has been there all the time: neither ever comes back.  Who
 * unlinks a file that the guard could not preserve marks the guard as failed
 * first; what was preserved for a backup that has failed is not kept any more.
 *
 * pg_dump's session needs no such look.  The backup is not through with any
 * file before pg_dump is.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "nodes/parsenodes.h"
#include "utils/relcache.h"

#include "guard/guard_parties.h"
#include "snapshot/asof_session.h"

/*
 * Is the file, which is not the present one, preserved for the backup?  It was
 * marked so before its transaction committed.
 */
static bool
is_preserved(BbgwParties *parties, int64 backup_id,
			 const RelFileLocator *locator)
{
	for (int i = 0; i < parties->n; i++)
	{
		BbgwNeededFile *file;

		if (parties->party[i].id == backup_id &&
			bbgw_party_needs(&parties->party[i], locator->spcOid,
							 locator->relNumber, &file) &&
			file != NULL &&
			(pg_atomic_read_u32(&file->flags) & BBGW_FILE_PRESERVED) != 0)
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
		RelationIsMapped(rel) ||
		locator.relNumber == bbgw_present_file(relid) ||
		is_preserved(parties, backup_id, &locator);
	RelationClose(rel);

	foreach(lc, more)
		whole = whole && is_whole(parties, backup_id, lfirst_oid(lc));
	return whole;
}

static void
check_file(BbgwParties *parties, Oid relid, int64 backup_id)
{
	Relation	rel;

	if (is_whole(parties, backup_id, relid))
		return;
	rel = RelationIdGetRelation(relid);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("rows of relation \"%s\" as of the snapshot of backup " INT64_FORMAT " are gone",
					RelationIsValid(rel) ? RelationGetRelationName(rel) : "?", backup_id),
			 errdetail("It was truncated, rewritten or dropped, and the backup no longer needs what it was.")));
}

/*
 * Raises an error if a relation, as of the S of this backup, may have looked
 * empty.  To be called as of S after it has been read.
 */
void
bbgw_asof_check_file(Oid relid, int64 backup_id)
{
	BbgwParties *parties = bbgw_parties_find();

	check_file(parties, relid, backup_id);
	bbgw_parties_free(parties);
}

/*
 * The same for all relations of a query.
 */
void
bbgw_asof_check_files(List *range_table, int64 backup_id)
{
	BbgwParties *parties = bbgw_parties_find();
	ListCell   *lc;

	foreach(lc, range_table)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION)
			check_file(parties, rte->relid, backup_id);
	}
	bbgw_parties_free(parties);
}
