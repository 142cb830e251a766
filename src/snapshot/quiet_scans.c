/*-------------------------------------------------------------------------
 *
 * quiet_scans.c
 *	  Sequential scans of sessions as of S that write nothing.
 *
 * Reads write.  A scan that goes by pages prunes them, from 19 on also marks
 * them as all-visible, and writes WAL for it.  In a file that is kept for the
 * backup alone that serves nobody.  And a process that reads its own files of
 * catalogs (catalog_files.c) does not go by what logical decoding still needs of
 * a table with user_catalog_table = true.
 *
 * Scans that go row by row do not write.  The executor begins a scan when the
 * first row is asked for, unless it has begun already; so here it is begun
 * before, in that way.
 *
 * What remains are hints in rows whose transaction has ended, which with
 * checksums or wal_log_hints are logged as a page image; pruning of TOAST
 * tables; and scans of other kinds.  They do no harm.  Whoever replays that WAL
 * has the file, as its unlinking comes later; and no row is removed that S sees.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_am.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"

#include "snapshot/quiet_scans.h"

static bool
begin_scans(PlanState *state, void *context)
{
	if (IsA(state, SeqScanState))
	{
		ScanState  *scan = &castNode(SeqScanState, state)->ss;
		Relation	rel = scan->ss_currentRelation;

		if (scan->ss_currentScanDesc == NULL &&
			rel->rd_rel->relam == HEAP_TABLE_AM_OID &&
			RelationGetRelid(rel) >= FirstNormalObjectId)
			scan->ss_currentScanDesc =
				bbgw_quiet_scan_begin(rel, state->state->es_snapshot);
	}
	return planstate_tree_walker(state, begin_scans, context);
}

/*
 * Begins the scans of tables of a query that the executor has just started and
 * is going to run.
 */
void
bbgw_quiet_scans(QueryDesc *queryDesc)
{
	if (queryDesc->planstate)
		(void) begin_scans(queryDesc->planstate, NULL);
}
