/*-------------------------------------------------------------------------
 *
 * shards.c
 *	  Are there tables whose rows are somewhere else?
 *
 * A table worker reads a table's own file, by way of its access method.  Citus
 * leaves that file empty: the rows of distributed tables, reference tables and
 * local tables that it manages are in shards, on this node or on others, where
 * its planner finds them.  A backup would have every such table, without rows
 * and without an error.
 *
 * Rows of partitions and of tables that inherit (so TimescaleDB's chunks, too)
 * are in tables of their own, which pg_dump lists.  Foreign tables it lists
 * without rows.  Other access methods are asked for their rows.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

#include "backup/shards.h"
#include "snapshot/asof.h"

/*
 * Raises an error if as of S Citus has tables in this database.  The caller is
 * as of S and has it as active snapshot; so Citus's catalog is read without
 * locking it, or its indexes.
 */
void
bbgw_shards_check(void)
{
	Relation	rel = NULL;
	SysScanDesc scan;
	HeapTuple	tuple;
	int			column;
	uint64		ntables = 0;
	Oid			first = InvalidOid;

	if (OidIsValid(get_extension_oid("citus", true)))
		rel = RelationIdGetRelation(get_relname_relid("pg_dist_partition",
													  PG_CATALOG_NAMESPACE));
	bbgw_release_locks();
	if (!RelationIsValid(rel))
		return;

	column = SPI_fnumber(RelationGetDescr(rel), "logicalrelid");
	scan = systable_beginscan(rel, InvalidOid, false, GetActiveSnapshot(), 0,
							  NULL);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		bool		isnull;

		if (ntables++ == 0 && column > 0)
			first = DatumGetObjectId(heap_getattr(tuple, column,
												  RelationGetDescr(rel),
												  &isnull));
	}
	systable_endscan(scan);
	RelationClose(rel);

	if (ntables > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("database \"%s\" has tables that are managed by Citus",
						get_database_name(MyDatabaseId)),
				 errdetail("The rows of " UINT64_FORMAT " tables, of which \"%s\" is one, are in shards.",
						   ntables,
						   get_rel_name(first) ? get_rel_name(first) : "?"),
				 errhint("The backup would have these tables without rows. pg_dump can read them.")));
}
