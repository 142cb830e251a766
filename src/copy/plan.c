/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  Makes the plan: from pg_dump's table of contents and pg_class as of S.
 *
 * pg_dump has decided whose rows belong in the backup: those of the tables
 * that have a TABLE DATA entry.  pg_class as of S says where they are.  Sizes
 * are taken from the files, without locking the tables.
 *
 * Rows of an extension's configuration table that has a filter condition are
 * not the workers' business.  pg_dump has read them with a query.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/catalog.h"
#include "catalog/pg_am.h"
#include "catalog/pg_largeobject.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/relmapper.h"

#include "copy/plan.h"
#include "guard/guard.h"
#include "snapshot/asof.h"

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

/* dump ids by table */
typedef struct TocRef
{
	Oid			relid;
	int			dump_id;
} TocRef;

/*
 * Finds the TABLE DATA entries.  Returns their tables' OIDs as an array, and
 * in *refs what they are to be looked up in.
 */
static ArrayType *
planned_relids(const BbgwToc *toc, HTAB **refs)
{
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(TocRef)
	};
	Datum	   *relids = palloc_array(Datum, toc->nentries);
	int			n = 0;

	*refs = hash_create("backup_bgw toc entries", toc->nentries, &ctl,
						HASH_ELEM | HASH_BLOBS);
	for (int i = 0; i < toc->nentries; i++)
	{
		BbgwTocEntry *entry = toc->entries[i];
		TocRef	   *ref;
		bool		found;

		if (!entry->had_dumper ||
			strcmp(entry->desc, BBGW_TOC_TABLE_DATA) != 0)
			continue;
		ref = hash_search(*refs, &entry->oid, HASH_ENTER, &found);
		if (found)
			elog(ERROR, "two TABLE DATA entries for relation %u", entry->oid);
		ref->dump_id = entry->dump_id;
		relids[n++] = ObjectIdGetDatum(entry->oid);
	}
	return construct_array(relids, n, OIDOID, sizeof(Oid), true, TYPALIGN_INT);
}

static Oid
get_oid(HeapTuple tuple, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, SPI_tuptable->tupdesc, column,
									  &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
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
	TupleDesc	desc = SPI_tuptable->tupdesc;
	BlockNumber toast_blocks = 0;

	if (get_bool(tuple, 13))
		return false;

	memset(table, 0, sizeof(BbgwTable));
	namestrcpy(&table->nspname, SPI_getvalue(tuple, desc, 2));
	namestrcpy(&table->relname, SPI_getvalue(tuple, desc, 3));
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
		  !bbgw_storage_blocks(&table->toast, &toast_blocks))) &&
		!table->is_catalog)
		bbgw_storage_lost(NameStr(table->nspname), NameStr(table->relname));
	table->bytes = ((uint64) table->nblocks + toast_blocks) * BLCKSZ;
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
 * Cuts a table into its units.  Their shares of its bytes add up to all of
 * them.
 */
static void
fill_units(BbgwUnit *unit, const BbgwTable *table, uint32 number,
		   int slice_size)
{
	uint64		bytes_before = 0;

	for (uint32 slice = 0; slice < table->nunits; slice++, unit++)
	{
		bool		last = slice == table->nunits - 1;
		uint64		bytes_up_to = table->bytes;

		memset(unit, 0, sizeof(BbgwUnit));
		unit->table = number;
		unit->slice = slice;
		unit->start = slice * (BlockNumber) slice_size;
		unit->nblocks =
			last ? table->nblocks - unit->start : (BlockNumber) slice_size;
		pg_atomic_init_flag(&unit->taken);
		if (!last)
			bytes_up_to = (uint64) ((double) table->bytes *
									(unit->start + unit->nblocks) / table->nblocks);
		unit->bytes = bytes_up_to - bytes_before;
		bytes_before = bytes_up_to;
	}
}

/*
 * Makes the plan in a new segment.  Tables bigger than slice_size blocks are
 * cut into slices of that size (0: none is cut).  The biggest units come
 * first, so that at the end no worker is left alone with one.  "needed" is the
 * guard's set, in which all these files must be.
 *
 * The caller is as of S, has it as active snapshot, and is connected to SPI.
 * Raises an error if a file of S is gone.
 */
dsm_segment *
bbgw_plan_create(const BbgwToc *toc, int slice_size, BbgwNeededSet *needed)
{
	Oid			types[1] = {OIDARRAYOID};
	Datum		values[1];
	HTAB	   *refs;
	BbgwTable  *tables;
	uint32		ntables = 0;
	uint32		nunits = 0;
	uint64		bytes = 0;
	Size		units_offset;
	dsm_segment *seg;
	BbgwPlan   *plan;
	BbgwUnit   *units;
	uint64		expected;
	int			ret;

	values[0] = PointerGetDatum(planned_relids(toc, &refs));
	ret = SPI_execute_with_args(plan_query, 1, types, values, NULL, true, 0);
	if (ret != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_class: %s", SPI_result_code_string(ret));
	expected = hash_get_num_entries(refs);
	if (SPI_processed != expected)
		elog(ERROR, "found " UINT64_FORMAT " of " UINT64_FORMAT " tables of the archive in pg_class",
			 (uint64) SPI_processed, expected);

	tables = palloc_extended(Max(SPI_processed, 1) * sizeof(BbgwTable),
							 MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		BbgwTable  *table = &tables[ntables];
		TocRef	   *ref;

		CHECK_FOR_INTERRUPTS();
		if (!fill_table(table, SPI_tuptable->vals[i], needed))
			continue;

		ref = hash_search(refs, &table->heap.oid, HASH_FIND, NULL);
		table->dump_id = ref->dump_id;
		table->nunits = 1;
		if (table->is_heap && !table->is_catalog && slice_size > 0 &&
			table->nblocks > (BlockNumber) slice_size)
			table->nunits = (table->nblocks - 1) / slice_size + 1;
		nunits += table->nunits;
		bytes += table->bytes;
		ntables++;
	}
	SPI_freetuptable(SPI_tuptable);
	hash_destroy(refs);

	units_offset =
		MAXALIGN(offsetof(BbgwPlan, tables) + ntables * sizeof(BbgwTable));
	seg = dsm_create(units_offset + nunits * sizeof(BbgwUnit), 0);
	plan = dsm_segment_address(seg);
	plan->ntables = ntables;
	plan->nunits = nunits;
	plan->bytes = bytes;
	plan->units_offset = units_offset;
	pg_atomic_init_u32(&plan->next_unit, 0);
	memcpy(plan->tables, tables, ntables * sizeof(BbgwTable));
	for (uint32 i = 0; i < ntables; i++)
		pg_atomic_init_u32(&plan->tables[i].nunits_done, 0);
	pfree(tables);

	units = BBGW_PLAN_UNITS(plan);
	for (uint32 i = 0, u = 0; i < ntables; u += plan->tables[i].nunits, i++)
		fill_units(&units[u], &plan->tables[i], i, slice_size);
	qsort(units, nunits, sizeof(BbgwUnit), compare_units);

	bbgw_release_locks();
	return seg;
}

/*
 * pg_dump has read everything else.  From now on the backup needs nothing but
 * what is in the plan, and the catalogs.
 */
void
bbgw_plan_release_others(const BbgwPlan *plan, BbgwGuard *guard,
						 BbgwNeededSet *needed)
{
	bool	   *planned = palloc_extended(Max(needed->nfiles, 1),
										  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	bool		large_objects = false;	/* as rows of a catalog */

	for (uint32 i = 0; i < plan->ntables; i++)
	{
		const BbgwTable *table = &plan->tables[i];

		large_objects |= table->heap.oid == LargeObjectRelationId;
		if (table->is_catalog)
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
		(file->owner != LargeObjectRelationId || large_objects);

		if (!planned[i] && !is_catalog)
			bbgw_guard_done(guard, file);
	}
	pfree(planned);
}

/*
 * Tells the archive which data files workers will write.
 */
void
bbgw_plan_announce_files(const BbgwPlan *plan, BbgwArchive *archive)
{
	for (uint32 i = 0; i < plan->ntables; i++)
		bbgw_archive_add_table(archive, plan->tables[i].dump_id,
							   (int) plan->tables[i].nunits);
}

/*
 * Gives the archive what workers have written.  The plan has been carried out.
 */
void
bbgw_plan_deliver_files(const BbgwPlan *plan, BbgwArchive *archive)
{
	const BbgwUnit *units = BBGW_PLAN_UNITS(plan);

	for (uint32 i = 0; i < plan->nunits; i++)
	{
		if (!units[i].done)
			elog(ERROR, "unit %u of the backup was not done", i);
		bbgw_archive_add_data(archive, plan->tables[units[i].table].dump_id,
							  units[i].slice, &units[i].file);
	}
}
