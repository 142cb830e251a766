/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  What the table workers are to read, and what became of it.
 *
 * The leader makes the plan in dynamic shared memory, workers take units from
 * it one after another and write their results there.
 *
 * There are two plans at most.  The first is what pg_dump is foreseen to want,
 * and is carried out while pg_dump still reads the schema.  When pg_dump has
 * told, it is settled: tables that are not wanted are dropped from it, and those
 * that were not foreseen, if there are any, become a second plan.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_PLAN_H
#define BBGW_PLAN_H

#include "backup_bgw.h"

#include "utils/array.h"

#include "archive/archive.h"
#include "guard/guard.h"
#include "snapshot/storage.h"

/* Tables that match the patterns of the user */
typedef struct BbgwSelection
{
	ArrayType  *include;		/* OIDs; NULL: all but catalogs */
	ArrayType  *exclude;		/* OIDs; NULL: none */
} BbgwSelection;

/* Are large objects to be in a plan? */
typedef enum BbgwObjectsPlanned
{
	BBGW_OBJECTS_NOT,
	BBGW_OBJECTS_IF_UNLOCKED,	/* or they come into the next one */
	BBGW_OBJECTS_SURELY
} BbgwObjectsPlanned;

/* pg_dump's rule for large objects: not if it was asked for certain tables */
#define BBGW_SELECTS_LARGE_OBJECTS(selection) ((selection)->include == NULL)

/*
 * A table; constant once the plan is published, but for the last ones.
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
	BlockNumber toast_nblocks;
	uint64		bytes;			/* heap and TOAST */
	bool		is_heap;		/* others can be read in one piece only */
	bool		is_catalog;		/* read from its files of today, locked */
	bool		is_large_objects;	/* no table; see BbgwPlan */
	uint32		nunits;
	pg_atomic_uint32 nunits_done;	/* by workers */
	/* written by the leader when the plan is settled */
	int			dump_id;		/* of its TABLE DATA entry; 0: none */
	bool		unwanted;		/* no unit need be begun any more */
	bool		dropped;		/* and none was */
} BbgwTable;

/*
 * A block range of a table, and the file it becomes; or a range of large
 * objects, and the report of them.
 */
typedef struct BbgwUnit
{
	/* constant once the plan is published */
	uint32		table;
	int			slice;			/* number of this range in its table, from 0 */
	BlockNumber start;
	BlockNumber nblocks;
	Oid			first_object;	/* large objects have these instead */
	Oid			last_object;
	uint64		bytes;			/* its share of the table's */

	pg_atomic_flag taken;		/* by a worker, or by the leader because it is
								 * not wanted; cleared if it could not be read
								 * yet */

	/* written by the worker that took the unit, read after all have ended */
	bool		done;
	uint64		rows;
	BbgwFileInfo file;
} BbgwUnit;

typedef struct BbgwPlan
{
	uint32		ntables;
	bool		has_large_objects;	/* they are tables[ntables], and no table */
	uint32		nunits;
	uint64		bytes;			/* sum over the tables, and large objects */
	Size		units_offset;	/* in this structure */
	pg_atomic_uint32 next_unit; /* first one that nobody has looked at */
	BbgwTable	tables[FLEXIBLE_ARRAY_MEMBER];	/* by OID */
	/* then the units */
} BbgwPlan;

#define BBGW_PLAN_UNITS(plan) ((BbgwUnit *) ((char *) (plan) + (plan)->units_offset))

/*
 * May there be values out of line?  If not, those who read the table can do
 * without its TOAST table, to open which takes longer than to read a small one.
 */
static inline bool
bbgw_table_has_toast(const BbgwTable *table)
{
	return OidIsValid(table->toast.oid) &&
		(table->toast_nblocks > 0 || table->is_catalog);
}

/*
 * Takes a unit that nobody has taken.
 */
static inline bool
bbgw_unit_take(BbgwUnit *unit)
{
	/* the first look is cheap */
	return pg_atomic_unlocked_test_flag(&unit->taken) &&
		pg_atomic_test_set_flag(&unit->taken);
}

extern ArrayType *bbgw_plan_foresee(const BbgwSelection *selection);
extern dsm_segment *bbgw_plan_create(ArrayType *relids,
									 BbgwObjectsPlanned large_objects,
									 int slice_size, int jobs,
									 BbgwNeededSet *needed);

/* plan_settle.c */
extern void bbgw_plan_claim(BbgwPlan *plan, const BbgwToc *toc,
							BbgwArchive *archive);
extern ArrayType *bbgw_plan_missing(const BbgwPlan *plan, const BbgwToc *toc);
extern uint32 bbgw_plan_drop_unwanted(BbgwPlan *plan, const BbgwToc *toc);
extern void bbgw_plan_release_table(const BbgwTable *table, BbgwGuard *guard,
									BbgwNeededSet *needed);
extern void bbgw_plan_release_others(BbgwPlan *const *plans, int nplans,
									 BbgwGuard *guard, BbgwNeededSet *needed);
extern void bbgw_plan_release_read(const BbgwPlan *plan, BbgwGuard *guard,
								   BbgwNeededSet *needed);
extern uint32 bbgw_plan_deliver(const BbgwPlan *plan, BbgwArchive *archive);

#endif							/* BBGW_PLAN_H */
