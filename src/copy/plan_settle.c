/*-------------------------------------------------------------------------
 *
 * plan_settle.c
 *	  What becomes of a plan when pg_dump has told what it wants.
 *
 * Until then no file that S needs is given up, also of tables that have been
 * read: pg_dump may have to read any of them for a filter condition.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_largeobject.h"
#include "catalog/pg_type.h"

#include "bgworker.h"
#include "copy/plan.h"

static int
compare_oid_to_table(const void *a, const void *b)
{
	Oid			x = *(const Oid *) a;
	Oid			y = ((const BbgwTable *) b)->heap.oid;

	return x < y ? -1 : x > y ? 1 : 0;
}

static BbgwTable *
find_table(const BbgwPlan *plan, Oid relid)
{
	return bsearch(&relid, unconstify(BbgwTable *, &plan->tables[0]),
				   plan->ntables, sizeof(BbgwTable), compare_oid_to_table);
}

static BbgwTable *
large_objects(const BbgwPlan *plan)
{
	return plan->has_large_objects ?
		unconstify(BbgwTable *, &plan->tables[plan->ntables]) : NULL;
}

/*
 * Finds the tables of the plan in pg_dump's table of contents, and claims them
 * there for the workers.
 */
void
bbgw_plan_claim(BbgwPlan *plan, const BbgwToc *toc, BbgwArchive *archive)
{
	for (int i = 0; i < toc->ndata; i++)
	{
		const BbgwTocData *data = &toc->data[i];
		BbgwTable  *table = find_table(plan, data->relid);

		bbgw_bgworker_pause();
		if (table == NULL)
			continue;
		if (table->dump_id != 0)
			elog(ERROR, "two TABLE DATA entries for relation %u", data->relid);
		table->dump_id = data->dump_id;
		bbgw_archive_claim(archive, data, (int) table->nunits);
	}
}

/*
 * The tables in the table of contents that are not in the plan, as an array of
 * OIDs.  NULL if there are none.
 */
ArrayType *
bbgw_plan_missing(const BbgwPlan *plan, const BbgwToc *toc)
{
	Datum	   *relids = palloc_extended(Max(toc->ndata, 1) * sizeof(Datum),
										 MCXT_ALLOC_HUGE);
	ArrayType  *missing = NULL;
	int			n = 0;

	for (int i = 0; i < toc->ndata; i++)
		if (find_table(plan, toc->data[i].relid) == NULL)
			relids[n++] = ObjectIdGetDatum(toc->data[i].relid);
	if (n > 0)
		missing = construct_array(relids, n, OIDOID, sizeof(Oid), true,
								  TYPALIGN_INT);
	pfree(relids);
	return missing;
}

/*
 * Drops tables, and large objects, from the plan that were not found in the table
 * of contents, as far as workers have not begun with them; what they have is
 * dropped by bbgw_plan_deliver().  Returns the number of tables that are left.
 */
uint32
bbgw_plan_drop_unwanted(BbgwPlan *plan, const BbgwToc *toc)
{
	BbgwUnit   *units = BBGW_PLAN_UNITS(plan);
	uint32		left = plan->ntables;

	if (plan->has_large_objects)
		large_objects(plan)->unwanted = large_objects(plan)->dropped =
			!toc->has_large_objects;

	for (uint32 i = 0; i < plan->ntables; i++)
	{
		plan->tables[i].unwanted = plan->tables[i].dump_id == 0;
		plan->tables[i].dropped = plan->tables[i].unwanted;
	}
	for (uint32 i = 0; i < plan->nunits; i++)
	{
		BbgwTable  *table = &plan->tables[units[i].table];

		if (!table->unwanted)
			continue;
		if (bbgw_unit_take(&units[i]))
			plan->bytes -= units[i].bytes;
		else
			table->dropped = false;
	}
	for (uint32 i = 0; i < plan->ntables; i++)
		left -= plan->tables[i].dropped;
	return left;
}

/*
 * The files of pg_largeobject are needed no more.
 */
static void
release_large_objects(BbgwGuard *guard, BbgwNeededSet *needed)
{
	for (uint32 i = 0; i < needed->nfiles; i++)
		if (needed->files[i].owner == LargeObjectRelationId)
			bbgw_guard_done(guard, &needed->files[i]);
}

/*
 * The backup has read this table, or all large objects.
 */
void
bbgw_plan_release_table(const BbgwTable *table, BbgwGuard *guard,
						BbgwNeededSet *needed)
{
	if (table->is_large_objects)
		release_large_objects(guard, needed);

	/* everybody reads other catalogs, to the end */
	if (table->is_catalog)
		return;
	bbgw_guard_done(guard, &needed->files[table->heap.needed]);
	if (OidIsValid(table->toast.oid))
	{
		bbgw_guard_done(guard, &needed->files[table->toast.needed]);
		bbgw_guard_done(guard, &needed->files[table->toast_index.needed]);
	}
}

/*
 * pg_dump has read everything else.  From now on the backup needs nothing but
 * what is in the plans, and the catalogs.
 */
void
bbgw_plan_release_others(BbgwPlan *const *plans, int nplans,
						 BbgwGuard *guard, BbgwNeededSet *needed)
{
	bool	   *planned = palloc_extended(Max(needed->nfiles, 1),
										  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	bool		objects_are_read = false;	/* also as rows of a catalog */

	for (int p = 0; p < nplans; p++)
		for (uint32 i = 0;
			 i < plans[p]->ntables + plans[p]->has_large_objects; i++)
		{
			const BbgwTable *table = &plans[p]->tables[i];

			objects_are_read |= table->heap.oid == LargeObjectRelationId &&
				!table->dropped;
			if (table->is_catalog || table->dropped)
				continue;
			planned[table->heap.needed] = true;
			if (OidIsValid(table->toast.oid))
			{
				planned[table->toast.needed] = true;
				planned[table->toast_index.needed] = true;
			}
		}
	for (uint32 i = 0; i < needed->nfiles; i++)
	{
		BbgwNeededFile *file = &needed->files[i];
		bool		is_catalog = file->owner < FirstNormalObjectId &&
		(file->owner != LargeObjectRelationId || objects_are_read);

		if (!planned[i] && !is_catalog)
			bbgw_guard_done(guard, file);
	}
	pfree(planned);
}

/*
 * Nor does it need tables that have been read completely.  Workers see to those
 * that will be read after the backup was marked as settled; both of us may see
 * to the same one.
 */
void
bbgw_plan_release_read(const BbgwPlan *plan, BbgwGuard *guard,
					   BbgwNeededSet *needed)
{
	for (uint32 i = 0; i < plan->ntables + plan->has_large_objects; i++)
	{
		const BbgwTable *table = &plan->tables[i];

		if (pg_atomic_read_u32(&unconstify(BbgwTable *, table)->nunits_done) ==
			table->nunits)
			bbgw_plan_release_table(table, guard, needed);
	}
}

/*
 * Gives the archive the large objects that workers have written, in their order.
 */
static void
deliver_large_objects(const BbgwPlan *plan, BbgwArchive *archive)
{
	const BbgwUnit *units = BBGW_PLAN_UNITS(plan);
	const BbgwTable *table = large_objects(plan);
	const BbgwUnit **ordered = palloc_array(const BbgwUnit *, table->nunits);

	for (uint32 i = 0; i < plan->nunits; i++)
		if (units[i].table == plan->ntables)
			ordered[units[i].slice] = &units[i];
	for (uint32 i = 0; i < table->nunits; i++)
		if (ordered[i]->done)
			bbgw_archive_add_objects(archive, ordered[i]->slice,
									 &ordered[i]->file);
		else if (!table->unwanted)
			elog(ERROR, "large objects from %u on were not read",
				 ordered[i]->first_object);
	pfree(ordered);
}

/*
 * Gives the archive what workers have written.  The plan has been carried out.
 * Returns the number of tables that they have read in vain.
 */
uint32
bbgw_plan_deliver(const BbgwPlan *plan, BbgwArchive *archive)
{
	const BbgwUnit *units = BBGW_PLAN_UNITS(plan);
	uint32		in_vain = 0;

	for (uint32 i = 0; i < plan->nunits; i++)
	{
		const BbgwUnit *unit = &units[i];
		const BbgwTable *table = &plan->tables[unit->table];

		bbgw_bgworker_pause();
		if (table->is_large_objects)
			continue;
		if (!table->unwanted)
		{
			if (!unit->done)
				elog(ERROR, "unit %u of the backup was not done", i);
			bbgw_archive_add_rows(archive, table->heap.oid, unit->slice,
								  table->dump_id, &unit->file);
		}
		else if (unit->done)
			bbgw_archive_drop_rows(archive, table->heap.oid, unit->slice);
	}
	if (plan->has_large_objects)
		deliver_large_objects(plan, archive);
	for (uint32 i = 0; i < plan->ntables; i++)
		if (plan->tables[i].unwanted &&
			pg_atomic_read_u32(&unconstify(BbgwTable *, &plan->tables[i])->nunits_done) ==
			plan->tables[i].nunits)
			in_vain++;
	return in_vain;
}
