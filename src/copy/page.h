/*-------------------------------------------------------------------------
 *
 * page.h
 *	  Pages of tables that others have locked.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_PAGE_H
#define BBGW_PAGE_H

#include "access/htup.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

extern bool bbgw_page_read(Relation rel, BlockNumber block, char *page);
extern bool bbgw_page_sees(Snapshot snapshot, HeapTupleHeader tuple);

#endif							/* BBGW_PAGE_H */
