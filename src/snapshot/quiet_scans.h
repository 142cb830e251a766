/*-------------------------------------------------------------------------
 *
 * quiet_scans.h
 *	  Sequential scans that write nothing.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_QUIET_SCANS_H
#define BBGW_QUIET_SCANS_H

#include "backup_bgw.h"

#include "access/tableam.h"
#include "executor/execdesc.h"

/*
 * Begins a scan of a table row by row and not page by page.  Such a scan
 * neither prunes pages nor marks them as all-visible.
 */
static inline TableScanDesc
bbgw_quiet_scan_begin(Relation rel, Snapshot snapshot)
{
	return rel->rd_tableam->scan_begin(rel, snapshot, 0, NULL, NULL,
									   SO_TYPE_SEQSCAN | SO_ALLOW_STRAT);
}

extern void bbgw_quiet_scans(QueryDesc *queryDesc);

#endif							/* BBGW_QUIET_SCANS_H */
