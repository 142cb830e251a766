/*-------------------------------------------------------------------------
 *
 * guard_set.c
 *	  The files that a backup needs, in dynamic shared memory.
 *
 * Needed are, as pg_class as of S has them: all tables and sequences, TOAST
 * tables and their indexes, and the indexes of catalogs, by which processes as
 * of S read them.  Not needed are indexes of tables, as the workers use none,
 * and materialized views, which are refreshed after a restore.  An exception
 * are indexes of the configuration tables of extensions that have a filter
 * condition: those are read by a query, whose plan may use them.
 *
 * Mapped catalogs are not in the set.  They have no file in pg_class, and are
 * read from their present one.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "guard/guard_set.h"

static const char *const needed_query =
"WITH r AS MATERIALIZED ("
" SELECT c.oid, c.relkind, c.reltablespace, c.relfilenode, c.reltoastrelid,"
"  n.nspname, c.relname"
" FROM pg_catalog.pg_class c"
" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
" WHERE c.relkind IN ('r', 'S') AND c.relpersistence <> 't')"
"SELECT r.reltablespace, r.relfilenode, r.oid, r.relkind, r.nspname, r.relname"
" FROM r WHERE r.relfilenode <> 0"
" UNION ALL "
"SELECT t.reltablespace, t.relfilenode, r.oid, t.relkind, r.nspname, r.relname"
" FROM r JOIN pg_catalog.pg_class t ON t.oid = r.reltoastrelid"
" WHERE t.relfilenode <> 0"
" UNION ALL "
"SELECT x.reltablespace, x.relfilenode, r.oid, x.relkind, r.nspname, r.relname"
" FROM r JOIN pg_catalog.pg_index i ON i.indrelid = r.reltoastrelid"
" JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid"
" WHERE x.relfilenode <> 0"
" UNION ALL "
"SELECT x.reltablespace, x.relfilenode, r.oid, x.relkind, r.nspname, r.relname"
" FROM r JOIN pg_catalog.pg_index i ON i.indrelid = r.oid"
" JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid"
" WHERE x.relfilenode <> 0 AND (r.oid < 16384 OR r.oid IN"
"  (SELECT f.relid FROM pg_catalog.pg_extension e,"
"   unnest(e.extconfig, e.extcondition) AS f(relid, condition)"
"   WHERE f.condition <> ''))";

static int
compare_files(const void *a, const void *b)
{
	const BbgwNeededFile *x = a;
	const BbgwNeededFile *y = b;

	if (x->number != y->number)
		return x->number > y->number ? 1 : -1;
	if (x->tablespace != y->tablespace)
		return x->tablespace > y->tablespace ? 1 : -1;
	return 0;
}

static Oid
get_oid(HeapTuple tuple, int column)
{
	bool		isnull;

	return DatumGetObjectId(SPI_getbinval(tuple, SPI_tuptable->tupdesc, column,
										  &isnull));
}

static const char *
get_name(HeapTuple tuple, int column)
{
	bool		isnull;
	Datum		name = SPI_getbinval(tuple, SPI_tuptable->tupdesc, column,
									 &isnull);

	return NameStr(*DatumGetName(name));
}

/*
 * Makes the set in a new segment, from pg_class as of S.
 *
 * The caller is as of S, has it as active snapshot, and is connected to SPI.
 * The locks that the query takes are left to it.
 */
dsm_segment *
bbgw_needed_create(void)
{
	dsm_segment *seg;
	BbgwNeededSet *set;
	StringInfoData names;
	Size		names_offset;
	int			ret;

	ret = SPI_execute(needed_query, true, 0);
	if (ret != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_class: %s", SPI_result_code_string(ret));

	initStringInfo(&names);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		char	   *name = quote_qualified_identifier(get_name(tuple, 5),
													  get_name(tuple, 6));

		appendBinaryStringInfo(&names, name, strlen(name) + 1);
		pfree(name);
	}

	names_offset = offsetof(BbgwNeededSet,
							files) + SPI_processed * sizeof(BbgwNeededFile);
	seg = dsm_create(names_offset + names.len, 0);
	set = dsm_segment_address(seg);
	memcpy((char *) set + names_offset, names.data, names.len);
	set->magic = BBGW_NEEDED_MAGIC;
	set->nfiles = (uint32) SPI_processed;
	set->backup_id = 0;
	for (uint32 i = 0; i < set->nfiles; i++)
	{
		BbgwNeededFile *file = &set->files[i];
		HeapTuple	tuple = SPI_tuptable->vals[i];
		bool		isnull;

		memset(file, 0, sizeof(BbgwNeededFile));
		file->tablespace = get_oid(tuple, 1);
		if (!OidIsValid(file->tablespace))
			file->tablespace = MyDatabaseTableSpace;
		file->number = get_oid(tuple, 2);
		file->owner = get_oid(tuple, 3);
		file->kind =
			DatumGetChar(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 4,
									   &isnull));
		file->name = (uint32) names_offset;
		pg_atomic_init_u32(&file->flags, 0);
		names_offset += strlen((char *) set + names_offset) + 1;
	}
	pfree(names.data);
	SPI_freetuptable(SPI_tuptable);

	qsort(set->files, set->nfiles, sizeof(BbgwNeededFile), compare_files);
	return seg;
}

/*
 * Finds a file, or returns NULL if it is not needed by the backup at all.
 */
BbgwNeededFile *
bbgw_needed_find(BbgwNeededSet *set, Oid tablespace, RelFileNumber number)
{
	BbgwNeededFile key;

	key.number = number;
	key.tablespace = tablespace;
	return bsearch(&key, set->files, set->nfiles, sizeof(BbgwNeededFile),
				   compare_files);
}
