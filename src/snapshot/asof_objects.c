/*-------------------------------------------------------------------------
 *
 * asof_objects.c
 *	  The backup's own pg_dump reads no large objects.
 *
 * What is in them the table workers read, all at the same time.  pg_dump says
 * which there are, in its table of contents, which is complete before it begins
 * with any data.  It would ask for each of them, one after another, and make a
 * file of each; with 100,000 of them that takes longer than all the rest of the
 * backup.
 *
 * Up to 16 it asks with a cursor which large objects to write, though it knows
 * them all.  That gets no rows.
 *
 * From 17 on it does not ask.  But large objects are the last data that it
 * writes, so when it wants to open the first of them its work is done.  Then it
 * is made to fail, the leader knowing about it.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "utils/guc.h"

#include "shmem.h"
#include "snapshot/asof_session.h"

/* as dumpBlobs() of pg_dump calls it */
#define OBJECTS_CURSOR "bloboid"

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

/*
 * pg_dump has come to its first large object.  Ends it; its session goes with
 * it.  That is not for the server's log.
 */
void
bbgw_asof_stop_dump(void)
{
	BbgwBackup *backup;

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	backup = bbgw_backup_find(bbgw_asof_session.backup_id);
	if (backup && backup->dump_pid == MyProcPid)
		backup->dump_stopped = true;
	LWLockRelease(bbgw_shared->lock);

	SetConfigOption("log_min_messages", "panic", PGC_SUSET, PGC_S_SESSION);
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg_internal(BBGW_DUMP_STOPPED)));
}
