/*-------------------------------------------------------------------------
 *
 * caller.c
 *	  A session that waits for a backup: who must not wait for it, and whether
 *	  its client is still there.
 *
 * A statement has a snapshot until it ends.  With one that lasts as long as a
 * backup, CREATE INDEX CONCURRENTLY and its like would wait for that long, and
 * VACUUM would keep what has been deleted meanwhile.  A function cannot give its
 * caller's snapshot away; but if nobody is going to look at anything with it
 * any more, it need not protect what it sees.  So the process stops to say
 * that it has one, where the call is all that the statement does and the
 * statement all that the transaction does.
 *
 * A server process notices that its client has gone when it next reads or
 * writes.  Somebody who waits for hours does neither, so we ask.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/memnodes.h"
#include "nodes/plannodes.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/pquery.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "sql/caller.h"

/* from libpq/libpq.h, which wants headers that servers are not installed with */
extern bool pq_check_connection(void);

/* longest time in ms without a look at the client */
#define LOOK_INTERVAL 1000

/*
 * Is this portal the only one in the session?  There may be others that the
 * transaction's state does not tell of: one that is bound but not yet
 * executed, or that of a query in which a function has opened ours as a
 * cursor.
 */
static bool
is_only_portal(Portal portal)
{
	MemoryContext context = portal->portalContext;

	return context->parent->firstchild == context && context->nextchild == NULL;
}

/*
 * Is a call the value of an expression, but for wait_backup() around it, whose
 * other argument has nothing to evaluate?
 */
static bool
is_whole_expression(const Node *call, const Node *expr)
{
	while (expr != call)
	{
		FmgrInfo	function;

		if (expr == NULL || !IsA(expr, FuncExpr))
			return false;
		fmgr_info(((const FuncExpr *) expr)->funcid, &function);
		if (function.fn_addr != wait_backup ||
			!IsA(lsecond(((const FuncExpr *) expr)->args), Const))
			return false;
		expr = linitial(((const FuncExpr *) expr)->args);
	}
	return true;
}

/*
 * Will this session look at anything with the snapshot that it has, once the
 * function called has returned?  Says yes unless it is sure: where the call is
 * not the only column of a SELECT without FROM, or not the only statement of
 * its transaction, where more statements with the same snapshot may come, or in
 * processes that may have snapshots of their own.  "fcinfo" is that of a
 * function that SQL has called.
 */
bool
bbgw_caller_needs_snapshot(FunctionCallInfo fcinfo)
{
	Portal		portal = ActivePortal;
	PlannedStmt *stmt;
	Plan	   *plan;

	if (MyBackendType != B_BACKEND || IsolationUsesXactSnapshot() ||
		IsInTransactionBlock(true) || portal == NULL ||
		portal->strategy != PORTAL_ONE_SELECT || !is_only_portal(portal))
		return true;

	stmt = linitial_node(PlannedStmt, portal->stmts);
	plan = stmt->planTree;
	if (stmt->subplans != NIL || plan == NULL || !IsA(plan, Result) ||
		plan->lefttree != NULL || ((Result *) plan)->resconstantqual != NULL ||
		list_length(plan->targetlist) != 1)
		return true;
	return !is_whole_expression(fcinfo->flinfo->fn_expr,
								(Node *) linitial_node(TargetEntry, plan->targetlist)->expr);
}

/*
 * Raises a fatal error if the client is gone, where that can be known.
 */
static void
check_client(void)
{
	if (MyProcPort == NULL || !WaitEventSetCanReportClosed() ||
		pq_check_connection())
		return;
	ClientConnectionLost = true;
	InterruptPending = true;
	CHECK_FOR_INTERRUPTS();
}

/*
 * Sleeps on a condition variable that has been prepared, or is prepared
 * hereby, for up to "timeout" ms, or less.  Serves interrupts, and ends the
 * session if its client is gone.  Unless the snapshot is needed, nobody will
 * wait for the session on account of what it sees, and what the session
 * protects afterwards is what can be seen then.
 */
void
bbgw_caller_sleep(ConditionVariable *cv, long timeout, bool needs_snapshot)
{
	check_client();
	if (!needs_snapshot)
	{
		InvalidateCatalogSnapshot();
		/* as SnapshotResetXmin() does when the last snapshot is gone */
		MyProc->xmin = TransactionXmin = InvalidTransactionId;
	}
	ConditionVariableTimedSleep(cv, Min(timeout, LOOK_INTERVAL),
								PG_WAIT_EXTENSION);

	/*
	 * When the statement ends, the server would go back to what its snapshot
	 * protects, unless there is something later.  Others have gone on without
	 * that, and must not be told of it again.
	 */
	if (!needs_snapshot)
		(void) GetLatestSnapshot();
}
