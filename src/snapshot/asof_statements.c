/*-------------------------------------------------------------------------
 *
 * asof_statements.c
 *	  Statements in sessions as of S: those that read.
 *
 * The server's idea of a read-only transaction admits more than is good here:
 * ANALYZE, CLUSTER, temporary tables.  And LOCK TABLE does nothing, as there is
 * nothing to keep still; COPY relation TO gives pg_dump no rows.
 *
 * What writes without being a statement of its own, asof_functions.c stops as
 * far as it can be known beforehand.  Whatever comes through is stopped when the
 * statement ends, or at the latest before the transaction commits: a
 * transaction ID has been assigned then (asof.c).
 *
 * Sessions that are not as of some S pay a test of a static variable.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "parser/parser.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/portal.h"

#include "shmem.h"
#include "snapshot/asof.h"
#include "snapshot/asof_session.h"
#include "snapshot/quiet_scans.h"

static ProcessUtility_hook_type prev_ProcessUtility_hook = NULL;
static ExecutorStart_hook_type prev_ExecutorStart_hook = NULL;
static ExecutorRun_hook_type prev_ExecutorRun_hook = NULL;
static ExecutorEnd_hook_type prev_ExecutorEnd_hook = NULL;

/*
 * If this is SET TRANSACTION SNAPSHOT 'backup_bgw:...', returns what follows
 * the prefix, else NULL.
 */
static const char *
snapshot_statement(Node *stmt)
{
	VariableSetStmt *set = (VariableSetStmt *) stmt;
	A_Const    *arg;
	const char *name;

	if (!IsA(stmt, VariableSetStmt) || set->kind != VAR_SET_MULTI ||
		strcmp(set->name, "TRANSACTION SNAPSHOT") != 0)
		return NULL;

	arg = linitial_node(A_Const, set->args);
	name = strVal(&arg->val);
	if (strncmp(name, BBGW_SNAPSHOT_PREFIX, strlen(BBGW_SNAPSHOT_PREFIX)) != 0)
		return NULL;
	return name + strlen(BBGW_SNAPSHOT_PREFIX);
}

/*
 * Refuses statements other than queries unless they make sense as of S.
 */
static void
check_utility(Node *stmt)
{
	bool		allowed = false;
	const char *name = GetCommandTagName(CreateCommandTag(stmt));

	switch (nodeTag(stmt))
	{
		case T_TransactionStmt:
		case T_VariableShowStmt:
		case T_PrepareStmt:
		case T_ExecuteStmt:
		case T_DeallocateStmt:
		case T_FetchStmt:
		case T_ClosePortalStmt:
		case T_DoStmt:
		case T_LockStmt:
			allowed = true;
			break;
		case T_ExplainStmt:
			/* CREATE TABLE AS, or one that does not write either */
			{
				Query	   *query = castNode(Query, castNode(ExplainStmt, stmt)->query);

				if (query->commandType == CMD_UTILITY)
					check_utility(query->utilityStmt);
				allowed = true;
				break;
			}
		case T_DeclareCursorStmt:
			/* rows, and the types they have, are to stay as of S */
			allowed =
				(castNode(DeclareCursorStmt, stmt)->options & CURSOR_OPT_HOLD) == 0;
			name = "DECLARE CURSOR WITH HOLD";
			break;
		case T_VariableSetStmt:
			{
				/* by whatever other road, see bbgw_asof_session_check() */
				const char *setting = castNode(VariableSetStmt, stmt)->name;

				allowed = false;
				if (setting && strcmp(setting, "role") == 0)
					name = "SET ROLE";
				else if (setting && strcmp(setting, "session_authorization") == 0)
					name = "SET SESSION AUTHORIZATION";
				else if (setting && strcmp(setting, "TRANSACTION SNAPSHOT") == 0)
					name = "SET TRANSACTION SNAPSHOT";
				else
					allowed = true;
				break;
			}
		case T_CopyStmt:
			allowed = !castNode(CopyStmt, stmt)->is_from &&
				castNode(CopyStmt, stmt)->filename == NULL;
			if (!castNode(CopyStmt, stmt)->is_from)
				name = "COPY TO a file or program";
			break;
		default:
			break;
	}

	if (!allowed)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot execute %s in a transaction that uses the snapshot of a backup",
						name)));
}

/*
 * Turns COPY relation TO into a COPY of a query without rows and columns.
 */
static PlannedStmt *
copy_nothing(PlannedStmt *pstmt)
{
	CopyStmt   *copy;
	RawStmt    *raw;

	pstmt = copyObject(pstmt);
	copy = castNode(CopyStmt, pstmt->utilityStmt);
	raw = linitial_node(RawStmt, raw_parser("SELECT WHERE false",
											RAW_PARSE_DEFAULT));
	copy->relation = NULL;
	copy->attlist = NIL;
	copy->query = raw->stmt;
	return pstmt;
}

static void
call_process_utility(PlannedStmt *pstmt, const char *queryString,
					 bool readOnlyTree, ProcessUtilityContext context,
					 ParamListInfo params, QueryEnvironment *queryEnv,
					 DestReceiver *dest, QueryCompletion *qc)
{
	if (prev_ProcessUtility_hook)
		prev_ProcessUtility_hook(pstmt, queryString, readOnlyTree, context,
								 params, queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context,
								params, queryEnv, dest, qc);
}

static void
call_nested_utility(PlannedStmt *pstmt, const char *queryString,
					bool readOnlyTree, ProcessUtilityContext context,
					ParamListInfo params, QueryEnvironment *queryEnv,
					DestReceiver *dest, QueryCompletion *qc)
{
	bbgw_asof_session.nesting++;
	PG_TRY();
	{
		call_process_utility(pstmt, queryString, readOnlyTree, context,
							 params, queryEnv, dest, qc);
	}
	PG_FINALLY();
	{
		bbgw_asof_session.nesting--;
	}
	PG_END_TRY();
}

/*
 * The resource owner of the cursor that a statement is about, or NULL.  It is
 * not the statement's.
 */
static ResourceOwner
cursor_owner(Node *stmt)
{
	const char *name = NULL;
	Portal		portal;

	if (IsA(stmt, DeclareCursorStmt))
		name = castNode(DeclareCursorStmt, stmt)->portalname;
	else if (IsA(stmt, FetchStmt))
		name = castNode(FetchStmt, stmt)->portalname;
	portal = name ? GetPortalByName(name) : NULL;
	return PortalIsValid(portal) ? portal->resowner : NULL;
}

static void
asof_ProcessUtility(PlannedStmt *pstmt, const char *queryString,
					bool readOnlyTree, ProcessUtilityContext context,
					ParamListInfo params, QueryEnvironment *queryEnv,
					DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *stmt = pstmt->utilityStmt;
	const char *name = snapshot_statement(stmt);
	CopyStmt   *copy = NULL;

	if (name)
	{
		bbgw_asof_session_enter(name, context == PROCESS_UTILITY_TOPLEVEL);
		return;
	}

	if (!bbgw_asof_active())
	{
		call_process_utility(pstmt, queryString, readOnlyTree, context,
							 params, queryEnv, dest, qc);
		return;
	}

	check_utility(stmt);
	if (IsA(stmt, LockStmt))
	{
		if (qc)
			SetQueryCompletion(qc, CMDTAG_LOCK_TABLE, 0);
		return;
	}
	if (!IsA(stmt, TransactionStmt))
		bbgw_asof_session_begin_statement();
	if (IsA(stmt, CopyStmt) || IsA(stmt, DeclareCursorStmt))
		bbgw_asof_dump_data(IsA(stmt, DeclareCursorStmt));
	if (IsA(stmt, CopyStmt) && castNode(CopyStmt, stmt)->query == NULL)
	{
		if (BBGW_ASOF_USER())
			copy = castNode(CopyStmt, stmt);
		else
			pstmt = copy_nothing(pstmt);
	}

	call_nested_utility(pstmt, queryString, readOnlyTree, context,
						params, queryEnv, dest, qc);

	if (copy)
		bbgw_asof_check_file(RangeVarGetRelid(copy->relation, NoLock, true),
							 bbgw_asof_session.backup_id);
	bbgw_asof_session_check();
	bbgw_asof_session_rest(cursor_owner(stmt));
}

static void
call_executor_start(QueryDesc *queryDesc, int eflags)
{
	if (prev_ExecutorStart_hook)
		prev_ExecutorStart_hook(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
}

/*
 * Refuses queries that write, be it to temporary tables, which are catalogued
 * like others.
 */
static void
check_query(const QueryDesc *queryDesc)
{
	PlannedStmt *stmt = queryDesc->plannedstmt;

	if (queryDesc->operation != CMD_SELECT || stmt->hasModifyingCTE ||
		stmt->rowMarks != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot execute %s in a transaction that uses the snapshot of a backup",
						CreateCommandName((Node *) stmt))));
}

/*
 * A query has pages pinned until it ends, and nobody may unlink the file of one
 * meanwhile.  A cursor may outlive the statement that has locked its tables,
 * and so must have the locks for itself.
 */
static void
lock_for_query(List *range_table)
{
	ListCell   *lc;

	foreach(lc, range_table)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION)
			LockRelationOid(rte->relid, AccessShareLock);
	}
}

static void
asof_ExecutorStart(QueryDesc *queryDesc, int eflags)
{
	if (!bbgw_asof_active())
	{
		call_executor_start(queryDesc, eflags);
		return;
	}

	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
		check_query(queryDesc);
	bbgw_asof_session_begin_statement();
	bbgw_asof_run_alone(queryDesc);
	if (BBGW_ASOF_KEEPS_CURSOR_LOCKS())
		lock_for_query(queryDesc->plannedstmt->rtable);

	bbgw_asof_session.nesting++;
	PG_TRY();
	{
		call_executor_start(queryDesc, eflags);
		if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
			bbgw_quiet_scans(queryDesc);
	}
	PG_FINALLY();
	{
		bbgw_asof_session.nesting--;
	}
	PG_END_TRY();
}

static void
call_executor_run(BBGW_EXECUTOR_RUN_PARAMS)
{
	if (prev_ExecutorRun_hook)
		prev_ExecutorRun_hook(BBGW_EXECUTOR_RUN_ARGS);
	else
		standard_ExecutorRun(BBGW_EXECUTOR_RUN_ARGS);
}

static void
asof_ExecutorRun(BBGW_EXECUTOR_RUN_PARAMS)
{
	if (!bbgw_asof_active())
	{
		call_executor_run(BBGW_EXECUTOR_RUN_ARGS);
		return;
	}

	bbgw_asof_session_begin_statement();
	bbgw_asof_session.nesting++;
	PG_TRY();
	{
		call_executor_run(BBGW_EXECUTOR_RUN_ARGS);
	}
	PG_FINALLY();
	{
		bbgw_asof_session.nesting--;
	}
	PG_END_TRY();

	if (BBGW_ASOF_USER())
		bbgw_asof_check_files(queryDesc->estate->es_range_table,
							  bbgw_asof_session.backup_id);
	bbgw_asof_session_check();
}

static void
asof_ExecutorEnd(QueryDesc *queryDesc)
{
	if (prev_ExecutorEnd_hook)
		prev_ExecutorEnd_hook(queryDesc);
	else
		standard_ExecutorEnd(queryDesc);

	bbgw_asof_session_rest(NULL);
}

/*
 * Installs the hooks.  To be called from _PG_init() at preload time.
 */
void
bbgw_asof_statements_init(void)
{
	prev_ProcessUtility_hook = ProcessUtility_hook;
	ProcessUtility_hook = asof_ProcessUtility;
	prev_ExecutorStart_hook = ExecutorStart_hook;
	ExecutorStart_hook = asof_ExecutorStart;
	prev_ExecutorRun_hook = ExecutorRun_hook;
	ExecutorRun_hook = asof_ExecutorRun;
	prev_ExecutorEnd_hook = ExecutorEnd_hook;
	ExecutorEnd_hook = asof_ExecutorEnd;
}
