/*-------------------------------------------------------------------------
 *
 * object_rows.h
 *	  Rows of the catalogs of large objects, read standing in nobody's way.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_OBJECT_ROWS_H
#define BBGW_OBJECT_ROWS_H

#include "access/htup.h"

#include "backup_bgw.h"

typedef enum BbgwObjectRows
{
	BBGW_ROWS_ALL,				/* that was all */
	BBGW_ROWS_SOME,				/* no more could be taken */
	BBGW_ROWS_WANTED,			/* somebody else wants the catalog */
	BBGW_ROWS_LOCKED			/* somebody else has it; nothing was read */
} BbgwObjectRows;

/* Where to go on; may be behind the last one that there can be */
typedef struct BbgwObjectPosition
{
	uint64		oid;
	int64		page;			/* not of pg_largeobject_metadata */
} BbgwObjectPosition;

/*
 * Takes a row, which is gone when this returns.  Returns false if there is no
 * room for it.
 */
typedef bool (*BbgwTakeRow) (HeapTuple row);

/* at most so many OIDs are asked for at once */
#define BBGW_MAX_OBJECTS 1000

extern BbgwObjectRows bbgw_object_pages(BbgwObjectPosition *position,
										Oid last, BbgwTakeRow take,
										bool wait);
extern BbgwObjectRows bbgw_object_oids(BbgwObjectPosition *position, Oid last,
									   Oid *oids, int *n, bool wait);
extern int	bbgw_object_sizes(const Oid *oids, int n, uint64 *sizes);

#endif							/* BBGW_OBJECT_ROWS_H */
