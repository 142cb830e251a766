/*-------------------------------------------------------------------------
 *
 * page.h
 *	  Pages of tables, those that others have locked among them, and their rows.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_PAGE_H
#define BBGW_PAGE_H

#include "access/htup.h"
#include "storage/buf.h"
#include "storage/bufpage.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "copy/plan.h"

typedef enum BbgwPageResult
{
	BBGW_PAGE_READ,
	BBGW_PAGE_CUT_OFF,			/* the file ends before */
	BBGW_PAGE_BUSY				/* VACUUM is at it: try again, later */
} BbgwPageResult;

extern BbgwPageResult bbgw_page_read(const BbgwTable *table, Relation rel,
									 BlockNumber block, char *page);

/* page_rows.c */
extern void bbgw_page_row(Relation rel, BlockNumber block, Page page,
						  OffsetNumber row, HeapTuple tuple);
extern int	bbgw_page_visible_rows(Relation rel, Buffer buffer,
								   Snapshot snapshot, OffsetNumber after,
								   OffsetNumber *rows);
extern bool bbgw_page_sees(Snapshot snapshot, HeapTupleHeader tuple);

#endif							/* BBGW_PAGE_H */
