/*-------------------------------------------------------------------------
 *
 * asof_session.c
 *	  SET TRANSACTION SNAPSHOT 'backup_bgw:<id>': sessions as of a backup's S.
 *
 * pg_dump --snapshot sends exactly this statement, and then dumps every object
 * of the database as of S without knowing it.  In such a session, until the
 * transaction ends,
 *
 * - LOCK TABLE does nothing, and locks on relations are given back after every
 *	 top-level statement and between calls of large object functions;
 *
 * - COPY relation TO returns no rows: the table workers read tables, pg_dump
 *	 only says which.  COPY (query) TO runs as usual;
 *
 * - pg_class.relhasindex, relhastriggers and relhasrules read as true.  VACUUM
 *	 resets them in place, in the very row version that S sees, when the last
 *	 index, trigger or rule was dropped after S.  To pg_dump they are but a
 *	 hint of where it need not look;
 *
 * - only statements that read are allowed;
 *
 * - a query is an error if files that it has read may not have been whole,
 *	 unless the session is pg_dump's (asof_files.c).
 *
 * Sessions that are not as of some S pay a test of a static variable.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "parser/parsetree.h"
#include "storage/large_object.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/fmgroids.h"
#include "utils/portal.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "privileges.h"
#include "shmem.h"
#include "snapshot/asof.h"
#include "snapshot/catalog_files.h"
#include "snapshot/quiet_scans.h"

#define SNAPSHOT_PREFIX "backup_bgw:"

static post_parse_analyze_hook_type prev_post_parse_analyze_hook = NULL;
static ProcessUtility_hook_type prev_ProcessUtility_hook = NULL;
static ExecutorStart_hook_type prev_ExecutorStart_hook = NULL;
static ExecutorRun_hook_type prev_ExecutorRun_hook = NULL;
static ExecutorEnd_hook_type prev_ExecutorEnd_hook = NULL;
static object_access_hook_type prev_object_access_hook = NULL;

/* statements under way; kept only while as of some S */
static int	nesting = 0;

/* whose S it is; 0: this is pg_dump's session */
static int64 session_backup_id = 0;

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
	if (strncmp(name, SNAPSHOT_PREFIX, strlen(SNAPSHOT_PREFIX)) != 0)
		return NULL;
	return name + strlen(SNAPSHOT_PREFIX);
}

static int64
parse_backup_id(const char *text)
{
	char	   *end;
	int64		id;

	errno = 0;
	id = strtoi64(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || id <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid backup id in snapshot identifier: \"%s%s\"",
						SNAPSHOT_PREFIX, text)));
	return id;
}

/*
 * The conditions are those of the server's own SET TRANSACTION SNAPSHOT, plus
 * the privilege, as S shows things that no privilege protects.
 */
static void
enter_backup_snapshot(const char *id_text, bool toplevel)
{
	int64		id;
	BbgwBackup *backup;
	dsm_handle	snapshot = DSM_HANDLE_INVALID;
	int			leader_pid = 0;
	Oid			dboid = InvalidOid;
	bool		dump_wanted = false;
	bool		own_files = false;

	RequireTransactionBlock(toplevel, "SET TRANSACTION SNAPSHOT");
	if (!toplevel || FirstSnapshotSet || IsSubTransaction() ||
		GetTopTransactionIdIfAny() != InvalidTransactionId ||
		bbgw_asof_active())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("SET TRANSACTION SNAPSHOT must be called before any query")));
	if (!IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a snapshot-importing transaction must have isolation level SERIALIZABLE or REPEATABLE READ")));

	bbgw_require_privilege();
	id = parse_backup_id(id_text);

	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	backup = bbgw_backup_find(id);
	if (backup)
	{
		snapshot = backup->snapshot;
		leader_pid = backup->leader_pid;
		dboid = backup->order.dboid;
		dump_wanted = backup->dump_wanted;
		own_files = backup->own_files;
	}
	LWLockRelease(bbgw_shared->lock);

	if (snapshot == DSM_HANDLE_INVALID)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("backup " INT64_FORMAT " is not running", id)));
	if (dboid != MyDatabaseId)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot use the snapshot of a backup of a different database")));

	/* To others, pg_dump shows less than there is, and hardly complains. */
	if (dump_wanted && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("pg_dump must connect as a superuser to make a backup")));

	nesting = 0;
	session_backup_id = dump_wanted ? 0 : id;
	bbgw_asof_settings();
	bbgw_asof_enter(snapshot, leader_pid, own_files, dump_wanted);
	XactReadOnly = true;

	/* The leader waits for one such session: pg_dump's. */
	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	backup = bbgw_backup_find(id);
	if (backup && backup->dump_wanted)
	{
		PGPROC	   *leader = BackendPidGetProc(leader_pid);

		backup->dump_wanted = false;
		backup->dump_pid = MyProcPid;
		if (leader)
			SetLatch(&leader->procLatch);
	}
	LWLockRelease(bbgw_shared->lock);
}

/*
 * Statements other than queries that make sense as of S.  The server's idea of
 * a read-only transaction admits more, such as ANALYZE or CLUSTER.
 */
static bool
utility_allowed(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_TransactionStmt:
		case T_VariableSetStmt:
		case T_VariableShowStmt:
		case T_PrepareStmt:
		case T_ExecuteStmt:
		case T_DeallocateStmt:
		case T_DeclareCursorStmt:
		case T_FetchStmt:
		case T_ClosePortalStmt:
		case T_ExplainStmt:
		case T_DoStmt:
		case T_LockStmt:
			return true;
		case T_CopyStmt:
			return !castNode(CopyStmt, stmt)->is_from;
		default:
			return false;
	}
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
	nesting++;
	PG_TRY();
	{
		call_process_utility(pstmt, queryString, readOnlyTree, context,
							 params, queryEnv, dest, qc);
	}
	PG_FINALLY();
	{
		nesting--;
	}
	PG_END_TRY();
}

/*
 * Locks the catalogs that a cursor reads, if they are read from their present
 * files, as long as the cursor is open: it keeps them open without locking them
 * again.  Returns whether there are any.
 */
static bool
lock_present_catalogs(Portal portal, bool declared)
{
	ListCell   *stmt;
	ListCell   *lc;
	bool		any = false;

	if (!bbgw_catalog_files_present())
		return false;

	foreach(stmt, portal->stmts)
	{
		foreach(lc, lfirst_node(PlannedStmt, stmt)->rtable)
		{
			RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

			if (rte->rtekind != RTE_RELATION ||
				rte->relid >= FirstNormalObjectId)
				continue;
			any = true;
			if (declared)
				LockRelationOid(rte->relid, AccessShareLock);
		}
	}
	return any;
}

/*
 * A cursor has a resource owner of its own for what it locks.  To be called
 * while the statement still has its locks.
 */
static void
release_cursor_locks(Node *stmt)
{
	const char *name = NULL;
	Portal		portal;
	ResourceOwner save = CurrentResourceOwner;

	if (IsA(stmt, DeclareCursorStmt))
		name = castNode(DeclareCursorStmt, stmt)->portalname;
	else if (IsA(stmt, FetchStmt))
		name = castNode(FetchStmt, stmt)->portalname;
	portal = name ? GetPortalByName(name) : NULL;
	if (!PortalIsValid(portal) || portal->resowner == NULL)
		return;

	CurrentResourceOwner = portal->resowner;
	if (!lock_present_catalogs(portal, IsA(stmt, DeclareCursorStmt)))
		LockReleaseCurrentOwner(NULL, 0);
	CurrentResourceOwner = save;
}

static void
asof_ProcessUtility(PlannedStmt *pstmt, const char *queryString,
					bool readOnlyTree, ProcessUtilityContext context,
					ParamListInfo params, QueryEnvironment *queryEnv,
					DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *stmt = pstmt->utilityStmt;
	const char *id_text = snapshot_statement(stmt);

	if (id_text)
	{
		enter_backup_snapshot(id_text, context == PROCESS_UTILITY_TOPLEVEL);
		return;
	}

	if (!bbgw_asof_active())
	{
		call_process_utility(pstmt, queryString, readOnlyTree, context,
							 params, queryEnv, dest, qc);
		return;
	}

	if (!utility_allowed(stmt))
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot execute %s in a transaction that uses the snapshot of a backup",
						GetCommandTagName(CreateCommandTag(stmt)))));
	if (IsA(stmt, LockStmt))
	{
		if (qc)
			SetQueryCompletion(qc, CMDTAG_LOCK_TABLE, 0);
		return;
	}
	if (IsA(stmt, CopyStmt) && castNode(CopyStmt, stmt)->query == NULL)
		pstmt = copy_nothing(pstmt);

	/* SET TRANSACTION READ WRITE must have no effect */
	XactReadOnly = true;

	call_nested_utility(pstmt, queryString, readOnlyTree, context,
						params, queryEnv, dest, qc);

	/* not if the statement ended the transaction */
	if (nesting == 0 && bbgw_asof_active() && IsTransactionState())
	{
		release_cursor_locks(stmt);
		bbgw_release_locks();
	}
}

static void
asof_ExecutorStart(QueryDesc *queryDesc, int eflags)
{
	if (bbgw_asof_active())
		XactReadOnly = true;

	if (prev_ExecutorStart_hook)
		prev_ExecutorStart_hook(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);

	if (bbgw_asof_active() && (eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
		bbgw_quiet_scans(queryDesc);
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

	nesting++;
	PG_TRY();
	{
		call_executor_run(BBGW_EXECUTOR_RUN_ARGS);
	}
	PG_FINALLY();
	{
		nesting--;
	}
	PG_END_TRY();
}

static void
asof_ExecutorEnd(QueryDesc *queryDesc)
{
	if (bbgw_asof_active() && session_backup_id != 0 &&
		(queryDesc->estate->es_top_eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
		bbgw_asof_check_files(queryDesc->estate->es_range_table,
							  session_backup_id);

	if (prev_ExecutorEnd_hook)
		prev_ExecutorEnd_hook(queryDesc);
	else
		standard_ExecutorEnd(queryDesc);

	if (nesting == 0 && bbgw_asof_active())
		bbgw_release_locks();
}

/*
 * Clients read large objects through the fast-path function protocol, which
 * knows no statements.  The locks that one call took are given back when the
 * next one begins.  Without, the server must not keep pg_largeobject open, as
 * it does until the transaction ends: if what is read is its present file, that
 * goes with a rewrite.
 */
static void
asof_object_access(ObjectAccessType access, Oid classId, Oid objectId,
				   int subId, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classId, objectId, subId, arg);

	if (access == OAT_FUNCTION_EXECUTE && nesting == 0 && bbgw_asof_active() &&
		(objectId == F_LO_OPEN || objectId == F_LOREAD ||
		 objectId == F_LO_CLOSE))
	{
		close_lo_relation(true);
		bbgw_release_locks();
	}
}

/*
 * Replaces the columns that VACUUM resets in place.  The context is the list
 * of the queries around the node, innermost first.
 */
static Node *
pin_in_place_columns(Node *node, void *context)
{
	List	   *queries = (List *) context;

	if (node == NULL)
		return NULL;

	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if ((int) var->varlevelsup < list_length(queries) &&
			(var->varattno == Anum_pg_class_relhasindex ||
			 var->varattno == Anum_pg_class_relhastriggers ||
			 var->varattno == Anum_pg_class_relhasrules))
		{
			Query	   *query = list_nth_node(Query, queries,
											  var->varlevelsup);
			RangeTblEntry *rte = rt_fetch(var->varno, query->rtable);

			if (rte->rtekind == RTE_RELATION &&
				rte->relid == RelationRelationId)
				return makeBoolConst(true, false);
		}
	}
	else if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node,
										   pin_in_place_columns,
										   lcons(node, list_copy(queries)), 0);

	return expression_tree_mutator(node, pin_in_place_columns, context);
}

static void
asof_post_parse_analyze(ParseState *pstate, Query *query,
						BBGW_JUMBLE_STATE * jstate)
{
	if (prev_post_parse_analyze_hook)
		prev_post_parse_analyze_hook(pstate, query, jstate);

	if (!bbgw_asof_active())
		return;

	/* the query of DECLARE CURSOR and EXPLAIN has no call of its own */
	if (query->commandType == CMD_UTILITY)
	{
		if (IsA(query->utilityStmt, DeclareCursorStmt))
			query = castNode(Query,
							 ((DeclareCursorStmt *) query->utilityStmt)->query);
		else if (IsA(query->utilityStmt, ExplainStmt))
			query = castNode(Query,
							 ((ExplainStmt *) query->utilityStmt)->query);
	}
	if (query->commandType == CMD_SELECT)
		query_tree_mutator(query, pin_in_place_columns, list_make1(query),
						   QTW_DONT_COPY_QUERY);
}

/*
 * Installs the hooks.  To be called from _PG_init() at preload time.
 */
void
bbgw_asof_session_init(void)
{
	prev_post_parse_analyze_hook = post_parse_analyze_hook;
	post_parse_analyze_hook = asof_post_parse_analyze;
	prev_ProcessUtility_hook = ProcessUtility_hook;
	ProcessUtility_hook = asof_ProcessUtility;
	prev_ExecutorStart_hook = ExecutorStart_hook;
	ExecutorStart_hook = asof_ExecutorStart;
	prev_ExecutorRun_hook = ExecutorRun_hook;
	ExecutorRun_hook = asof_ExecutorRun;
	prev_ExecutorEnd_hook = ExecutorEnd_hook;
	ExecutorEnd_hook = asof_ExecutorEnd;
	prev_object_access_hook = object_access_hook;
	object_access_hook = asof_object_access;
}
