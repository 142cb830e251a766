/*-------------------------------------------------------------------------
 *
 * asof_columns.c
 *	  Columns of catalogs that are not as of S.
 *
 * VACUUM resets pg_class.relhasindex, relhastriggers and relhasrules in place,
 * in the very row version that S sees, when the last index, trigger or rule was
 * dropped after S.  In sessions as of S they read as true.  To pg_dump they are
 * but a hint of where it need not look.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parsetree.h"

#include "snapshot/asof.h"
#include "snapshot/asof_session.h"

static post_parse_analyze_hook_type prev_post_parse_analyze_hook = NULL;

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
 * Installs the hook.  To be called from _PG_init() at preload time.
 */
void
bbgw_asof_columns_init(void)
{
	prev_post_parse_analyze_hook = post_parse_analyze_hook;
	post_parse_analyze_hook = asof_post_parse_analyze;
}
