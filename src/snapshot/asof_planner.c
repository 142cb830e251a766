/*-------------------------------------------------------------------------
 *
 * asof_planner.c
 *	  Plans of queries as of S: without parallel workers, and without indexes
 *	  that are gone.
 *
 * Parallel workers would not be as of S, and so would return wrong rows.
 * No plan is made for them; and one that was made by somebody who did not ask
 * runs in this process alone, as any parallel plan can.
 *
 * The planner opens every index of a table, and asks for its size.  The files
 * of users' indexes are not guarded.  So if the file of a table or of one of
 * its indexes is no longer that of S, the planner is to see no index of that
 * table.  It looks at relhasindex in the entry of the relation cache.  That is
 * the place: set to false there, before the planner looks.  For as long as it
 * plans, the entries are held, and what an invalidation message brings back is
 * set again.
 *
 * All relations that the planner will look at are in the range tables of the
 * query, or inherit from such, provided that it inlines no functions that are
 * queries: as of S they are called.
 *
 * While a table is locked nobody can unlink files of its indexes but REINDEX,
 * and REINDEX waits for locks on the indexes.  Children in inheritance trees
 * are not locked yet.  If one is truncated at that very moment the query ends
 * with an error about its index file, and can be repeated.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "snapshot/asof.h"
#include "snapshot/asof_session.h"

/* A query being planned */
typedef struct Planning
{
	struct Planning *outer;		/* the one that this one is in the midst of */
	List	   *indexless;		/* relations whose indexes are not to be seen */
} Planning;

static Planning *planning = NULL;

static planner_hook_type prev_planner_hook = NULL;
static needs_fmgr_hook_type prev_needs_fmgr_hook = NULL;

/*
 * Is the file of an index still the one of S?  It stays so while the index is
 * locked.
 */
static bool
index_is_there(Oid indexoid, bool lock)
{
	Relation	index;
	bool		there;

	/* conditionally: who has it locked is about to do away with the file */
	if (lock && !ConditionalLockRelationOid(indexoid, AccessShareLock))
		return false;
	index = RelationIdGetRelation(indexoid);
	if (!RelationIsValid(index))
		return false;
	there = !RELKIND_HAS_STORAGE(index->rd_rel->relkind) ||
		bbgw_relation_locator(index).relNumber == bbgw_present_file(indexoid);
	RelationClose(index);
	return there;
}

/*
 * Lets the planner see no index of a relation unless all of them are there.
 * Of TOAST tables and catalogs the planner may see what it likes: their indexes
 * are guarded.
 */
static void
hide_indexes(Oid relid, bool lock)
{
	Relation	rel;
	ListCell   *lc;
	bool		there;

	if (relid < FirstNormalObjectId)
		return;
	rel = RelationIdGetRelation(relid);
	if (!RelationIsValid(rel))
		return;
	if (!rel->rd_rel->relhasindex ||
		(rel->rd_rel->relkind != RELKIND_RELATION &&
		 rel->rd_rel->relkind != RELKIND_MATVIEW) ||
		rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
	{
		RelationClose(rel);
		return;
	}

	there = bbgw_relation_locator(rel).relNumber == bbgw_present_file(relid);
	foreach(lc, RelationGetIndexList(rel))
		there = there && index_is_there(lfirst_oid(lc), lock);
	if (there)
	{
		RelationClose(rel);
		return;
	}
	rel->rd_rel->relhasindex = false;
	planning->indexless = lappend(planning->indexless, rel);
}

static bool
hide_indexes_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;

	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;
		ListCell   *lc;

		if (rte->rtekind == RTE_RELATION && rte->relid >= FirstNormalObjectId)
		{
			hide_indexes(rte->relid, true);
			if (rte->inh)
				foreach(lc, find_all_inheritors(rte->relid, NoLock, NULL))
					if (lfirst_oid(lc) != rte->relid)
					hide_indexes(lfirst_oid(lc), false);
		}
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, hide_indexes_walker, context,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, hide_indexes_walker, context);
}

/*
 * An entry that is held is rebuilt before this is called.  Others were not
 * touched.
 */
static void
asof_relcache_callback(Datum arg, Oid relid)
{
	for (Planning *p = planning; p != NULL; p = p->outer)
	{
		ListCell   *lc;

		foreach(lc, p->indexless)
		{
			Relation	rel = lfirst(lc);

			if (relid == InvalidOid || relid == RelationGetRelid(rel))
				rel->rd_rel->relhasindex = false;
		}
	}
}

static PlannedStmt *
call_planner(BBGW_PLANNER_PARAMS)
{
	if (prev_planner_hook)
		return prev_planner_hook(BBGW_PLANNER_ARGS);
	return standard_planner(BBGW_PLANNER_ARGS);
}

static PlannedStmt *
plan_without_lost_indexes(BBGW_PLANNER_PARAMS)
{
	Planning	mine = {planning, NIL};
	PlannedStmt *stmt;
	ListCell   *lc;

	planning = &mine;
	PG_TRY();
	{
		(void) hide_indexes_walker((Node *) parse, NULL);
		stmt = call_planner(BBGW_PLANNER_ARGS);
	}
	PG_FINALLY();
	{
		/* after an error the entries are given back by their resource owner */
		planning = mine.outer;
	}
	PG_END_TRY();

	foreach(lc, mine.indexless)
		RelationClose((Relation) lfirst(lc));
	return stmt;
}

static PlannedStmt *
asof_planner(BBGW_PLANNER_PARAMS)
{
	if (!bbgw_asof_active())
		return call_planner(BBGW_PLANNER_ARGS);

	cursorOptions &= ~CURSOR_OPT_PARALLEL_OK;
	return plan_without_lost_indexes(BBGW_PLANNER_ARGS);
}

/*
 * Functions that the planner must not inline are those that a hook claims to
 * be called around.
 */
static bool
asof_needs_fmgr_hook(Oid funcid)
{
	HeapTuple	tuple;
	bool		is_query = false;

	if (prev_needs_fmgr_hook && prev_needs_fmgr_hook(funcid))
		return true;
	if (!bbgw_asof_active() || funcid < FirstNormalObjectId)
		return false;

	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);

		is_query = proc->proretset && proc->prolang == SQLlanguageId;
		ReleaseSysCache(tuple);
	}
	return is_query;
}

/*
 * Makes the plan that is about to be started one without parallel workers.
 * The plan itself may belong to others, such as a prepared statement.
 */
void
bbgw_asof_run_alone(QueryDesc *queryDesc)
{
	PlannedStmt *stmt;

	if (!queryDesc->plannedstmt->parallelModeNeeded)
		return;
	stmt = makeNode(PlannedStmt);
	*stmt = *queryDesc->plannedstmt;
	stmt->parallelModeNeeded = false;
	queryDesc->plannedstmt = stmt;
}

/*
 * To be called when a process is to be as of S for the first time.
 */
void
bbgw_asof_planner_enter(void)
{
	static bool registered = false;

	if (!registered)
		CacheRegisterRelcacheCallback(asof_relcache_callback, (Datum) 0);
	registered = true;
}

/*
 * Installs the hooks.  To be called from _PG_init() at preload time.
 */
void
bbgw_asof_planner_init(void)
{
	prev_planner_hook = planner_hook;
	planner_hook = asof_planner;
	prev_needs_fmgr_hook = needs_fmgr_hook;
	needs_fmgr_hook = asof_needs_fmgr_hook;
}
