/*-------------------------------------------------------------------------
 *
 * asof_functions.c
 *	  Functions that a session as of S must not call.
 *
 * A function that writes does so through index files of S, which are not those
 * that the present goes by.  That its transaction fails in the end (asof.c) is
 * the safeguard; this is so that as little as possible is written by then, and
 * that what is not undone with the transaction is not done: sequences,
 * replication slots, messages, locks of the session.  Nor must logical decoding
 * run here, as it sets up, and takes down, a historic snapshot of its own.
 *
 * Of the server's own functions, those are refused that are volatile and must
 * not run in parallel workers, which is how the server marks those that change
 * something, unless they are known to read; and some others by name.  Functions
 * of extensions, and of users, do as they like: they belong to superusers, and
 * whoever calls them is one.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "storage/large_object.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"

#include "snapshot/asof.h"
#include "snapshot/asof_session.h"

static object_access_hook_type prev_object_access_hook = NULL;

/*
 * Volatile, and not for parallel workers, because they have to do with the
 * state of a session, or run a query that they are given.
 */
static const Oid reading[] = {
	F_CURRTID2,
	F_CURRVAL,
	F_CURSOR_TO_XML,
	F_CURSOR_TO_XMLSCHEMA,
	F_LASTVAL,
	F_LO_CLOSE,
	F_LO_GET_OID,
	F_LO_GET_OID_INT8_INT4,
	F_LO_LSEEK,
	F_LO_LSEEK64,
	F_LO_OPEN,
	F_LO_TELL,
	F_LO_TELL64,
	F_LOREAD,
	F_PG_GET_SEQUENCE_DATA,
	F_PG_REPLICATION_ORIGIN_PROGRESS,
	F_PG_REPLICATION_ORIGIN_SESSION_PROGRESS,
	F_PG_SEQUENCE_LAST_VALUE,
	F_QUERY_TO_XML,
	F_QUERY_TO_XMLSCHEMA,
	F_QUERY_TO_XML_AND_XMLSCHEMA,
	F_SET_CONFIG,
	F_TS_REWRITE_TSQUERY_TEXT,
	F_TS_STAT_TEXT,
	F_TS_STAT_TEXT_TEXT,
};

/* What they do outlives the transaction, though the server does not say so. */
static const Oid lasting[] = {
	F_PG_ADVISORY_LOCK_INT4_INT4,
	F_PG_ADVISORY_LOCK_INT8,
	F_PG_ADVISORY_LOCK_SHARED_INT4_INT4,
	F_PG_ADVISORY_LOCK_SHARED_INT8,
	F_PG_BACKUP_START,
	F_PG_BACKUP_STOP,
	F_PG_CREATE_RESTORE_POINT,
	F_PG_NOTIFY,
	F_PG_PROMOTE,
	F_PG_SWITCH_WAL,
	F_PG_TRY_ADVISORY_LOCK_INT4_INT4,
	F_PG_TRY_ADVISORY_LOCK_INT8,
	F_PG_TRY_ADVISORY_LOCK_SHARED_INT4_INT4,
	F_PG_TRY_ADVISORY_LOCK_SHARED_INT8,
};

static bool
is_one_of(Oid oid, const Oid *oids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (oids[i] == oid)
			return true;
	return false;
}

static void
check_function(Oid oid)
{
	HeapTuple	tuple;
	Form_pg_proc proc;
	bool		refused;

	if (oid >= FirstGenbkiObjectId)
		return;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
	if (!HeapTupleIsValid(tuple))
		return;
	proc = (Form_pg_proc) GETSTRUCT(tuple);

	refused = proc->provolatile == PROVOLATILE_VOLATILE &&
		(proc->proparallel == PROPARALLEL_UNSAFE ?
		 !is_one_of(oid, reading, lengthof(reading)) :
		 is_one_of(oid, lasting, lengthof(lasting)));
	if (refused)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot execute %s() in a transaction that uses the snapshot of a backup",
						NameStr(proc->proname))));
	ReleaseSysCache(tuple);
}

/*
 * Clients read large objects through the fast-path function protocol, which
 * knows no statements.  The locks that one call took are given back when the
 * next one begins.  Without, the server must not keep pg_largeobject open, as it
 * does until the transaction ends: if what is read is its present file, that
 * goes with a rewrite.
 */
static void
asof_object_access(ObjectAccessType access, Oid classId, Oid objectId,
				   int subId, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classId, objectId, subId, arg);

	if (access != OAT_FUNCTION_EXECUTE || !bbgw_asof_active() ||
		bbgw_asof_session.backup_id == 0)
		return;

	if (bbgw_asof_session.nesting == 0)
	{
		bbgw_asof_session_check();
		bbgw_asof_session_begin_statement();
		if (objectId == F_LO_OPEN || objectId == F_LOREAD ||
			objectId == F_LO_CLOSE)
		{
			close_lo_relation(true);
			bbgw_asof_session_rest(NULL);
			bbgw_asof_dump_data(true);
		}
	}
	check_function(objectId);
}

/*
 * Installs the hook.  To be called from _PG_init() at preload time.
 */
void
bbgw_asof_functions_init(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = asof_object_access;
}
