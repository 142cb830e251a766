/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  Makes the plan from pg_class as of S.
 *
 * pg_dump decides whose rows belong in the backup: those of the tables that have
 * a TABLE DATA entry in its table of contents.  With many tables it takes long
 * to say so.  Its rules are simple, though, and followed here to foresee it.
 * Where we are wrong, plan_settle.c puts that right.
 *
 * pg_class as of S says where the tables are.  Sizes are taken from the files,
 * without locking the tables.
 *
 * Rows of an extension's configuration table that has a filter condition are
 * not the workers' business.  pg_dump reads them with a query.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/catalog.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/relmapper.h"

#include "bgworker.h"
#include "copy/plan.h"
#include "copy/plan_large_objects.h"
#include "copy/slices.h"
#include "guard/guard.h"
#include "snapshot/asof.h"

/* rows that come from a cursor at once */
#define FETCH_ROWS 1000

static const char *const foresee_query =
"SELECT array_agg(c.oid)"
" FROM pg_catalog.pg_class c"
" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
" WHERE c.relkind = 'r' AND c.relpersistence <> 't'"
" AND CASE WHEN $1 IS NULL"
"  THEN n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
"  ELSE c.oid = ANY ($1) END"
" AND ($2 IS NULL OR c.oid <> ALL ($2))"
" AND (NOT EXISTS (SELECT FROM pg_catalog.pg_depend d"
"   WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
"   AND d.objid = c.oid AND d.deptype = 'e')"
"  OR EXISTS (SELECT FROM pg_catalog.pg_extension e,"
"   unnest(e.extconfig, e.extcondition) AS f(relid, condition)"
"   WHERE f.relid = c.oid AND f.condition = ''))";

static const char *const plan_query =
"SELECT DISTINCT ON (c.oid) c.oid, n.nspname, c.relname, c.relam,"
" c.reltablespace, c.relfilenode,"
" t.oid, t.reltablespace, t.relfilenode,"
" x.oid, x.reltablespace, x.relfilenode,"
" EXISTS (SELECT FROM pg_catalog.pg_extension e,"
"  unnest(e.extconfig, e.extcondition) AS f(relid, condition)"
"  WHERE f.relid = c.oid AND f.condition <> '')"
" FROM unnest($1) AS u(oid)"
" JOIN pg_catalog.pg_class c ON c.oid = u.oid AND c.relkind = 'r'"
" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
" LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid"
" LEFT JOIN pg_catalog.pg_index i ON i.indrelid = t.oid AND i.indisvalid"
" LEFT JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid"
" ORDER BY c.oid";

/*
 * The tables that pg_dump will have a TABLE DATA entry for, most likely, as an
 * array of OIDs in the current memory context.
 *
 * The caller is as of S, has it as active snapshot, and is not connected to SPI.
 */
ArrayType *
bbgw_plan_foresee(const BbgwSelection *selection)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[2] = {OIDARRAYOID, OIDARRAYOID};
	Datum		values[2];
	char		nulls[3] = "  ";
	ArrayType  *relids;
	Datum		found;
	bool		isnull;
	int			ret;

	values[0] = PointerGetDatum(selection->include);
	values[1] = PointerGetDatum(selection->exclude);
	nulls[0] = selection->include ? ' ' : 'n';
	nulls[1] = selection->exclude ? ' ' : 'n';

	SPI_connect();
	ret = SPI_execute_with_args(foresee_query, 2, types, values, nulls, true, 0);
	if (ret != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read pg_class: %s", SPI_result_code_string(ret));
	found = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	MemoryContextSwitchTo(context);
	relids = isnull ? construct_empty_array(OIDOID) :
		DatumGetArrayTypePCopy(found);
	SPI_finish();
	bbgw_release_locks();
	return relids;
}

static Oid
get_oid(HeapTuple tuple, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, SPI_tuptable->tupdesc, column,
									  &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

static Name
get_name(HeapTuple tuple, int column)
{
	bool		isnull;

	return DatumGetName(SPI_getbinval(tuple, SPI_tuptable->tupdesc, column,
									  &isnull));
}

static void
fill_storage(BbgwStorage *storage, HeapTuple tuple, int first_column, Oid oid,
			 BbgwNeededSet *needed)
{
	BbgwNeededFile *file;

	storage->oid = oid;
	storage->tablespace = get_oid(tuple, first_column);
	if (!OidIsValid(storage->tablespace))
		storage->tablespace = MyDatabaseTableSpace;
	storage->filenumber = get_oid(tuple, first_column + 1);
	if (IsCatalogRelationOid(oid))
	{
		if (storage->filenumber == InvalidRelFileNumber)
			storage->filenumber = RelationMapOidToFilenumber(oid,
															 IsSharedRelation(oid));
		return;
	}

	file = bbgw_needed_find(needed, storage->tablespace, storage->filenumber);
	if (file == NULL)
		elog(ERROR, "file %u of relation %u is not guarded", storage->filenumber, oid);
	storage->needed = (uint32) (file - needed->files);
}

static bool
get_bool(HeapTuple tuple, int column)
{
	bool		isnull;

	return DatumGetBool(SPI_getbinval(tuple, SPI_tuptable->tupdesc, column,
									  &isnull));
}

/*
 * Fills in one table from a row of plan_query.  Returns false if pg_dump has
 * read it.
 */
static bool
fill_table(BbgwTable *table, HeapTuple tuple, BbgwNeededSet *needed)
{
	if (get_bool(tuple, 13))
		return false;

	memset(table, 0, sizeof(BbgwTable));
	table->nspname = *get_name(tuple, 2);
	table->relname = *get_name(tuple, 3);
	table->is_heap = get_oid(tuple, 4) == HEAP_TABLE_AM_OID;
	table->is_catalog = IsCatalogRelationOid(get_oid(tuple, 1));
	fill_storage(&table->heap, tuple, 5, get_oid(tuple, 1), needed);
	if (OidIsValid(get_oid(tuple, 7)))
	{
		fill_storage(&table->toast, tuple, 8, get_oid(tuple, 7), needed);
		fill_storage(&table->toast_index, tuple, 11, get_oid(tuple, 10),
					 needed);
	}

	if ((!bbgw_storage_blocks(&table->heap, &table->nblocks) ||
		 (OidIsValid(table->toast.oid) &&
		  !bbgw_storage_blocks(&table->toast, &table->toast_nblocks))) &&
		!table->is_catalog)
		bbgw_storage_lost(NameStr(table->nspname), NameStr(table->relname));
	table->bytes = ((uint64) table->nblocks + table->toast_nblocks) * BLCKSZ;
	return true;
}

static int
compare_units(const void *a, const void *b)
{
	const BbgwUnit *x = a;
	const BbgwUnit *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->table != y->table)
		return x->table > y->table ? 1 : -1;
	return x->slice - y->slice;
}

/*
 * Makes the units of a table.  Their shares of its bytes add up to all of them.
 */
static void
fill_units(BbgwUnit *unit, const BbgwTable *table, uint32 number)
{
	BlockNumber *ends = palloc_array(BlockNumber, table->nunits);
	BlockNumber start = 0;
	uint64		bytes_before = 0;

	bbgw_slices_cut(table, ends);
	for (uint32 slice = 0; slice < table->nunits; slice++, unit++)
	{
		uint64		bytes_up_to = table->bytes;

		memset(unit, 0, sizeof(BbgwUnit));
		unit->table = number;
		unit->slice = slice;
		unit->start = start;
		unit->nblocks = ends[slice] - start;
		pg_atomic_init_flag(&unit->taken);
		if (slice < table->nunits - 1)
			bytes_up_to = (uint64) ((double) table->bytes *
									ends[slice] / table->nblocks);
		unit->bytes = bytes_up_to - bytes_before;
		bytes_before = bytes_up_to;
		start = ends[slice];
	}
	pfree(ends);
}

/*
 * Reads all tables of plan_query, some at a time, as there may be very many.
 * Returns the number of rows, and in *ntables how many are the workers'.
 */
static uint64
fill_tables(ArrayType *relids, BbgwTable *tables, uint32 *ntables,
			BbgwNeededSet *needed)
{
	Oid			types[1] = {OIDARRAYOID};
	Datum		values[1];
	Portal		portal;
	uint64		rows = 0;

	values[0] = PointerGetDatum(relids);
	*ntables = 0;
	portal = SPI_cursor_open_with_args(NULL, plan_query, 1, types, values, NULL,
									   true, CURSOR_OPT_NO_SCROLL);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		rows += SPI_processed;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bbgw_bgworker_pause();
			if (fill_table(&tables[*ntables], SPI_tuptable->vals[i], needed))
				(*ntables)++;
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	return rows;
}

/*
 * Makes a plan for these tables, and for large objects if it is to have these, in
 * a new segment.  Tables bigger than slice_size blocks, or than one worker's part,
 * are cut into slices (0: none is), for "jobs" workers; see slices.c.
 * The biggest units come first, so that at the end no worker is left alone with
 * one.  "needed" is the guard's set, in which all these files must be.
 *
 * The caller is as of S, has it as active snapshot, and is not connected to SPI.
 * Raises an error if a file of S is gone.
 */
dsm_segment *
bbgw_plan_create(ArrayType *relids, BbgwObjectsPlanned large_objects,
				 int slice_size, int jobs, BbgwNeededSet *needed)
{
	MemoryContext context = CurrentMemoryContext;
	int			nrelids = ArrayGetNItems(ARR_NDIM(relids), ARR_DIMS(relids));
	BbgwTable  *tables;
	uint32		ntables;
	uint32		nunits = 0;
	uint64		bytes = 0;
	uint64		rows;
	Size		units_offset;
	dsm_segment *seg;
	BbgwPlan   *plan;
	BbgwUnit   *units;
	BbgwObjectRange *ranges = NULL;
	int			nranges = 0;

	tables = palloc_extended(Max(nrelids, 1) * sizeof(BbgwTable),
							 MCXT_ALLOC_HUGE);
	SPI_connect();
	rows = fill_tables(relids, tables, &ntables, needed);
	SPI_finish();
	MemoryContextSwitchTo(context);
	bbgw_release_locks();
	if (rows != (uint64) nrelids)
		elog(ERROR, "found " UINT64_FORMAT " of %d tables of the archive in pg_class",
			 rows, nrelids);

	if (large_objects != BBGW_OBJECTS_NOT)
		nranges = bbgw_plan_large_objects(jobs,
										  large_objects == BBGW_OBJECTS_SURELY,
										  &ranges);

	for (uint32 i = 0; i < ntables; i++)
		bytes += tables[i].bytes;
	for (uint32 i = 0; i < ntables; i++)
	{
		tables[i].nunits = bbgw_slices_count(&tables[i], slice_size, jobs,
											 bytes);
		nunits += tables[i].nunits;
	}
	units_offset =
		MAXALIGN(offsetof(BbgwPlan, tables) +
				 ((Size) ntables + 1) * sizeof(BbgwTable));
	seg = dsm_create(units_offset + (nunits + nranges) * sizeof(BbgwUnit), 0);
	plan = dsm_segment_address(seg);
	plan->ntables = ntables;
	plan->has_large_objects = nranges > 0;
	plan->nunits = nunits + nranges;
	plan->bytes = bytes;
	plan->units_offset = units_offset;
	pg_atomic_init_u32(&plan->next_unit, 0);
	memcpy(plan->tables, tables, ntables * sizeof(BbgwTable));
	for (uint32 i = 0; i < ntables; i++)
		pg_atomic_init_u32(&plan->tables[i].nunits_done, 0);
	pfree(tables);

	units = BBGW_PLAN_UNITS(plan);
	for (uint32 i = 0, u = 0; i < ntables; u += plan->tables[i].nunits, i++)
		fill_units(&units[u], &plan->tables[i], i);
	if (plan->has_large_objects)
	{
		bbgw_plan_fill_large_objects(ranges, nranges, &plan->tables[ntables],
									 ntables, &units[nunits]);
		plan->bytes += plan->tables[ntables].bytes;
	}
	qsort(units, plan->nunits, sizeof(BbgwUnit), compare_units);
	return seg;
}
