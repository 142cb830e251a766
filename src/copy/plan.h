/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  What the table workers are to read, and what became of it.
 *
 * The leader makes the plan in dynamic shared memory, workers take units from
 * it one after another and write their results there.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_PLAN_H
#define BBGW_PLAN_H

#include "backup_bgw.h"

#include "archive/archive.h"
#include "guard/guard.h"
#include "snapshot/storage.h"

/*
 * A table; constant once the plan is published, but for nunits_done.
 *
 * Catalogs are among them if the user's patterns match them.  Some have no file
 * in pg_class (they are mapped), some belong to all databases, and with
 * wal_level = logical the present file is read of all of them.  The guard
 * keeps none of those; but whoever gives a catalog a new file takes along all
 * rows that S sees.  So a catalog is read in one go with its lock held, whatever
 * file that is in, and its storage is not for comparing.
 */
typedef struct BbgwTable
{
	BbgwStorage heap;
	BbgwStorage toast;			/* oid 0: has none */
	BbgwStorage toast_index;
	NameData	nspname;
	NameData	relname;
	BlockNumber nblocks;		/* of the heap */
	uint64		bytes;			/* heap and TOAST */
	bool		is_heap;		/* others can be read in one piece only */
	bool		is_catalog;		/* read from its files of today, locked */
	int			dump_id;		/* of its TABLE DATA entry */
	uint32		nunits;
	pg_atomic_uint32 nunits_done;	/* by workers */
} BbgwTable;

/* A block range of a table, and the file it becomes */
typedef struct BbgwUnit
{
	/* constant once the plan is published */
	uint32		table;
	int			slice;			/* number of this range in its table, from 0 */
	BlockNumber start;
	BlockNumber nblocks;
	uint64		bytes;			/* its share of the table's */

	pg_atomic_flag taken;		/* by a worker; cleared if it could not be
								 * read yet */

	/* written by the worker that took the unit, read after all have ended */
	bool		done;
	uint64		rows;
	BbgwFileInfo file;
} BbgwUnit;

typedef struct BbgwPlan
{
	uint32		ntables;
	uint32		nunits;
	uint64		bytes;			/* sum over the tables */
	Size		units_offset;	/* in this structure */
	pg_atomic_uint32 next_unit; /* first one that nobody has looked at */
	BbgwTable	tables[FLEXIBLE_ARRAY_MEMBER];
	/* then the units */
} BbgwPlan;

#define BBGW_PLAN_UNITS(plan) ((BbgwUnit *) ((char *) (plan) + (plan)->units_offset))

extern dsm_segment *bbgw_plan_create(const BbgwToc *toc, int slice_size,
									 BbgwNeededSet *needed);
extern void bbgw_plan_release_others(const BbgwPlan *plan, BbgwGuard *guard,
									 BbgwNeededSet *needed);
extern void bbgw_plan_announce_files(const BbgwPlan *plan,
									 BbgwArchive *archive);
extern void bbgw_plan_deliver_files(const BbgwPlan *plan,
									BbgwArchive *archive);

#endif							/* BBGW_PLAN_H */
