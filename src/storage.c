/*-------------------------------------------------------------------------
 *
 * storage.c
 *	  Are the files of S still there?
 *
 * S keeps row versions from being vacuumed away, but no file from being
 * unlinked: after TRUNCATE, a rewriting ALTER TABLE, VACUUM FULL or DROP has
 * committed, the file that pg_class as of S names is empty or gone.  Reading it
 * would yield a table without rows, and no error.  So whoever reads a file of S
 * compares it with what pg_class says *now*, and a difference fails the backup.
 *
 * A table's file cannot change while it is locked, so that one look is enough
 * after the lock was taken.  The catalogs that pg_dump reads are not locked; for
 * them the look comes after pg_dump has ended.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "asof.h"
#include "storage.h"

/*
 * Number of blocks in the main fork of a file.  Returns false if the file is
 * gone.  Needs no lock on the relation.
 */
bool
bbgw_storage_blocks(const BbgwStorage *storage, BlockNumber *nblocks)
{
	RelFileLocator locator;
	SMgrRelation smgr;
	bool		exists;

	locator.spcOid = storage->tablespace;
	locator.dbOid = MyDatabaseId;
	locator.relNumber = storage->filenumber;

	smgr = smgropen(locator, INVALID_PROC_NUMBER);
	exists = smgrexists(smgr, MAIN_FORKNUM);
	*nblocks = exists ? smgrnblocks(smgr, MAIN_FORKNUM) : 0;
	smgrclose(smgr);
	return exists;
}

/*
 * Does pg_class say at this moment, not as of S, that the relation's file is
 * still the same?  The answer stays true for as long as the caller has the
 * relation locked.  Needs a transaction.
 */
bool
bbgw_storage_is_current(const BbgwStorage *storage)
{
	Relation	pg_class;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		same = false;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(storage->oid));

	pg_class = table_open(RelationRelationId, AccessShareLock);
	InvalidateCatalogSnapshot();
	scan = systable_beginscan(pg_class, ClassOidIndexId, true,
							  GetNonHistoricCatalogSnapshot(RelationRelationId),
							  1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		same = form->relfilenode == storage->filenumber;
	}
	systable_endscan(scan);
	table_close(pg_class, AccessShareLock);
	InvalidateCatalogSnapshot();
	return same;
}

/*
 * Has an open relation the file that it should have?  With wal_level = logical
 * the relation cache takes the present file, not S's, for a table with
 * user_catalog_table = true.
 */
bool
bbgw_storage_is_open(const BbgwStorage *storage, Relation rel)
{
	return bbgw_relation_locator(rel).relNumber == storage->filenumber;
}

/*
 * Raises the error that fails a backup whose files are lost.
 */
void
bbgw_storage_lost(const char *nspname, const char *relname)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"%s.%s\" was truncated, rewritten or dropped after the snapshot of the backup was taken",
					nspname, relname),
			 errdetail("Its rows as of the snapshot can no longer be read."),
			 errhint("Start the backup again while no such command runs.")));
}

/*
 * Raises an error if a catalog, its index or its TOAST table is no longer in
 * the file it was in at S.  (Not mapped ones, which have no file in pg_class.
 * As of S their present file is read.)  The caller is as of S, has it as active
 * snapshot, and is connected to SPI.
 */
void
bbgw_storage_check_catalogs(void)
{
	int			ret;

	/* then the relation cache takes the present files of catalogs anyway */
	if (XLogLogicalInfoActive())
		return;

	ret = SPI_execute("SELECT c.oid, c.relfilenode, n.nspname, c.relname"
					  " FROM pg_catalog.pg_class c"
					  " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
					  " WHERE c.oid < 16384 AND c.relfilenode <> 0"
					  " AND c.relkind IN ('r', 'i', 't')"
					  " AND n.nspname IN ('pg_catalog', 'pg_toast')",
					  true, 0);
	if (ret != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_class: %s", SPI_result_code_string(ret));

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		BbgwStorage storage = {0};
		bool		isnull;

		storage.oid = DatumGetObjectId(SPI_getbinval(tuple, desc, 1, &isnull));
		storage.filenumber = DatumGetObjectId(SPI_getbinval(tuple, desc, 2, &isnull));
		if (!bbgw_storage_is_current(&storage))
			bbgw_storage_lost(SPI_getvalue(tuple, desc, 3),
							  SPI_getvalue(tuple, desc, 4));
	}
	SPI_freetuptable(SPI_tuptable);
}
