/*-------------------------------------------------------------------------
 *
 * asof_objects.c
 *	  Large objects are empty to the backup's own pg_dump.
 *
 * What is in them the table workers read, all at the same time.  pg_dump only
 * says which there are: it asks for each, one after another, and writes a file
 * that is thrown away.  So the less it gets, the better.
 *
 * Up to 16 pg_dump asks with a cursor which large objects to write, though it
 * knows them all.  That gets no rows, so it does not even begin.  From 17 on it
 * cannot be kept from asking for each.
 *
 * In its session the index by which the server finds the pages of large objects
 * leads nowhere.  That is written into the entry of the relation cache, which
 * may be made anew at any time; then pg_dump gets to see a piece of a large
 * object for once, and no harm is done.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/amapi.h"
#include "catalog/pg_largeobject.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "utils/relcache.h"

#include "snapshot/asof_session.h"

/* as dumpBlobs() of pg_dump calls it */
#define OBJECTS_CURSOR "bloboid"

/* what the index has by itself, and what it is given */
static amgettuple_function btree_gettuple;
static IndexAmRoutine empty;

/*
 * The entry may outlive the session's being as of S.
 */
static bool
get_no_tuple(IndexScanDesc scan, ScanDirection direction)
{
	return bbgw_asof_session.dumps ? false : btree_gettuple(scan, direction);
}

/*
 * To be called in pg_dump's session before a large object is read.
 */
void
bbgw_asof_empty_objects(void)
{
	Relation	index = RelationIdGetRelation(LargeObjectLOidPNIndexId);

	if (!RelationIsValid(index))
		return;
	if (index->rd_indam != &empty)
	{
		empty = *index->rd_indam;
		btree_gettuple = empty.amgettuple;
		empty.amgettuple = get_no_tuple;
		index->rd_indam = &empty;
	}
	RelationClose(index);
}

/*
 * Has pg_dump's cursor on large objects return no rows.  Any other statement is
 * returned as it is.
 */
PlannedStmt *
bbgw_asof_no_objects(PlannedStmt *pstmt)
{
	DeclareCursorStmt *declare;

	if (!IsA(pstmt->utilityStmt, DeclareCursorStmt) ||
		strcmp(castNode(DeclareCursorStmt, pstmt->utilityStmt)->portalname,
			   OBJECTS_CURSOR) != 0)
		return pstmt;

	pstmt = copyObject(pstmt);
	declare = castNode(DeclareCursorStmt, pstmt->utilityStmt);
	castNode(Query, declare->query)->jointree->quals = makeBoolConst(false, false);
	return pstmt;
}
