/*-------------------------------------------------------------------------
 *
 * horizon.c
 *	  The commit log that preserved files need.
 *
 * Rows have the numbers of the transactions that wrote them, and of groups of
 * transactions that locked them.  What became of these is in pg_xact and
 * pg_multixact, which VACUUM truncates: up to the oldest number that any table
 * may have, which is in pg_class (relfrozenxid, relminmxid), and from there
 * taken over into pg_database (datfrozenxid, datminmxid).  A preserved file is
 * in no row of pg_class, so nothing would be kept for its sake, and its rows
 * could not be read any more.
 *
 * What the server has to hold this up is the temporary table.  No VACUUM of
 * others touches it, and its numbers count for its database as any table's.  So
 * the process that arms the guard first makes one, which has nothing in it but
 * the oldest numbers that the database has at this moment: tables of S have
 * none older.  It is dropped in the end, at the latest with the process, and
 * after a crash as temporary tables are: by autovacuum, or by the next session
 * in the same place.  If the process has made the schemas for it, they go, too.
 * S sees it as it does temporary tables of others, which are in no backup.
 *
 * Most databases need none: pg_xact is truncated by whole files, and not beyond
 * the oldest snapshot, which is S or older.  Only if the database's oldest number
 * is in an earlier file than that, something may go.  Of pg_multixact anything
 * may that there is.
 *
 * What does not stop is the removal of dead rows, and freezing.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/slru.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/tupdesc.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_description.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_init_privs.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_seclabel.h"
#include "catalog/pg_shdepend.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_subscription_rel.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "guard/horizon.h"

#define TABLE_NAME "backup_bgw_horizon"

/* two bits for each transaction */
#define XIDS_PER_FILE ((TransactionId) SLRU_PAGES_PER_SEGMENT * BLCKSZ * 4)

/* there is a table */
static bool held = false;

/* there is none, though there should be */
static bool given_up = false;

/* the schemas of temporary tables, if this process has made them */
static Oid	schema = InvalidOid;
static Oid	toast_schema = InvalidOid;

/* the oldest numbers of the database when it was looked at */
static TransactionId oldest_xid;
static MultiXactId oldest_multi;

/*
 * Locks what it takes to make and drop the table, for the rest of the
 * transaction, if that is possible at once.  Waiting is no good: who has a
 * catalog locked may himself wait for this backup to start, or to end.
 */
static bool
lock_catalogs(void)
{
	static const Oid catalogs[] = {
		/* where something is written */
		RelationRelationId, AttributeRelationId, TypeRelationId,
		DependRelationId, NamespaceRelationId,
		/* where there might be something to delete */
		SharedDependRelationId, DescriptionRelationId, InheritsRelationId,
		InitPrivsRelationId, SecLabelRelationId, StatisticRelationId,
		SubscriptionRelRelationId
	};

	for (size_t i = 0; i < lengthof(catalogs); i++)
		if (!ConditionalLockRelationOid(catalogs[i], RowExclusiveLock))
			return false;
	return true;
}

static Oid
create_table(void)
{
	return heap_create_with_catalog(TABLE_NAME,
									LookupCreationNamespace("pg_temp"),
									InvalidOid, InvalidOid, InvalidOid,
									InvalidOid, GetUserId(),
									HEAP_TABLE_AM_OID,
									CreateTemplateTupleDesc(0), NIL,
									RELKIND_RELATION, RELPERSISTENCE_TEMP,
									false, false, ONCOMMIT_NOOP, (Datum) 0,
									false, false, true, InvalidOid, NULL);
}

static void
set_numbers(Oid relid)
{
	Relation	pg_class = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relid));
	HeapTuple	database = SearchSysCache1(DATABASEOID,
										   ObjectIdGetDatum(MyDatabaseId));

	if (!HeapTupleIsValid(tuple) || !HeapTupleIsValid(database))
		elog(ERROR, "could not find what was made a moment ago");
	((Form_pg_class) GETSTRUCT(tuple))->relfrozenxid =
		((Form_pg_database) GETSTRUCT(database))->datfrozenxid;
	((Form_pg_class) GETSTRUCT(tuple))->relminmxid =
		((Form_pg_database) GETSTRUCT(database))->datminmxid;
	CatalogTupleUpdate(pg_class, &tuple->t_self, tuple);
	ReleaseSysCache(database);
	heap_freetuple(tuple);
	table_close(pg_class, RowExclusiveLock);
}

/*
 * Has the present transaction made this schema?
 */
static bool
made_schema(Oid oid)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(oid));
	bool		made = HeapTupleIsValid(tuple) &&
	TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return made;
}

static void
drop_schema(Oid oid)
{
	ObjectAddress object;

	ObjectAddressSet(object, NamespaceRelationId, oid);
	performDeletion(&object, DROP_CASCADE,
					PERFORM_DELETION_INTERNAL | PERFORM_DELETION_QUIETLY);
}

static void
look_at_database(void)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID,
										ObjectIdGetDatum(MyDatabaseId));
	Form_pg_database database;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for database %u", MyDatabaseId);
	database = (Form_pg_database) GETSTRUCT(tuple);
	oldest_xid = database->datfrozenxid;
	oldest_multi = database->datminmxid;
	ReleaseSysCache(tuple);
}

/*
 * Is everything kept that a snapshot needs that was taken a moment ago, or was
 * it said that it cannot be?  To be asked after bbgw_horizon_hold().
 */
bool
bbgw_horizon_held(void)
{
	TransactionId next = XidFromFullTransactionId(ReadNextFullTransactionId());

	return held || given_up ||
		(oldest_xid / XIDS_PER_FILE == next / XIDS_PER_FILE &&
		 oldest_multi == ReadNextMultiXactId());
}

/*
 * Keeps pg_xact and pg_multixact as they are, as far as tables of the current
 * database may need them, until bbgw_horizon_release() or the end of the
 * process.  If somebody, maybe the very caller of start_backup(), has catalogs
 * locked, it does not, and the log says so.
 *
 * The process is in no transaction and not as of some S.  It must not be as of
 * some S either when it exits.
 */
void
bbgw_horizon_hold(void)
{
	Oid			relid;
	Oid			temp;
	Oid			temp_toast;

	if (held)
		return;

	StartTransactionCommand();
	given_up = false;
	look_at_database();
	if (bbgw_horizon_held())
	{
		CommitTransactionCommand();
		return;
	}

	/*
	 * Whoever is about to take over numbers into pg_database has not looked
	 * at our table.  He holds this lock, and nobody for long.
	 */
	LockDatabaseFrozenIds(ExclusiveLock);
	given_up = !lock_catalogs();
	if (given_up)
	{
		CommitTransactionCommand();
		ereport(LOG,
				(errmsg("pg_xact and pg_multixact cannot be held for the backup: somebody has catalogs locked"),
				 errdetail("If VACUUM truncates them while it runs, tables that are truncated, rewritten or dropped meanwhile may become unreadable, and the backup fails.")));
		return;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	relid = create_table();
	CommandCounterIncrement();
	set_numbers(relid);
	GetTempNamespaceState(&temp, &temp_toast);
	if (made_schema(temp) && made_schema(temp_toast))
	{
		schema = temp;
		toast_schema = temp_toast;
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	held = true;
}

/*
 * Lets go of them, if they are held.  If somebody has catalogs locked, that is
 * left to the end of the process.  The process is in no transaction, and not as
 * of some S.
 */
void
bbgw_horizon_release(void)
{
	if (!held)
		return;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (lock_catalogs())
	{
		ResetTempTableNamespace();
		if (OidIsValid(schema))
		{
			drop_schema(schema);
			drop_schema(toast_schema);
		}
		schema = toast_schema = InvalidOid;
		held = false;
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
}
