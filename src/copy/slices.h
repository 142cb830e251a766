/*-------------------------------------------------------------------------
 *
 * slices.h
 *	  Where a big table is cut.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_SLICES_H
#define BBGW_SLICES_H

#include "copy/plan.h"

extern uint32 bbgw_slices_count(const BbgwTable *table, int slice_size,
								int jobs, uint64 total);
extern void bbgw_slices_cut(const BbgwTable *table, BlockNumber *ends);

#endif							/* BBGW_SLICES_H */
