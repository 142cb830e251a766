/*-------------------------------------------------------------------------
 *
 * scan.h
 *	  Reads a unit of the plan into a sink, standing in nobody's way.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_SCAN_H
#define BBGW_SCAN_H

#include "copy/plan.h"

extern bool bbgw_scan_unit(BbgwBackup *backup, BbgwWorkerSlot *slot,
						   const BbgwTable *table, BbgwUnit *unit,
						   BbgwSink *sink, bool insist);

extern void bbgw_scan_before_blocking(void);

#endif							/* BBGW_SCAN_H */
