/*-------------------------------------------------------------------------
 *
 * functions.c
 *	  start_backup(), wait_backup(), cancel_backup().
 *
 * start_backup() checks its arguments, takes a slot, starts the leader and
 * waits until that has the snapshot, its workers and a pg_dump that is
 * connected.  Whatever goes wrong until then is the caller's error, and leaves
 * nothing behind.  From then on the backup is on its own, whatever becomes of
 * the caller.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/wait_event.h"

#include "backup/history.h"
#include "backup/leader.h"
#include "backup/pgdump.h"
#include "backup/request.h"
#include "bgworker.h"
#include "guard/guard_shmem.h"
#include "privileges.h"
#include "snapshot/asof.h"
#include "sql/caller.h"
#include "sql/own_locks.h"

PG_FUNCTION_INFO_V1(start_backup);
PG_FUNCTION_INFO_V1(wait_backup);
PG_FUNCTION_INFO_V1(cancel_backup);

static List *
text_array_to_list(ArrayType *array, const char *argname)
{
	Datum	   *elems;
	bool	   *nulls;
	int			n;
	List	   *list = NIL;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
	{
		char	   *pattern = nulls[i] ? NULL : TextDatumGetCString(elems[i]);

		if (pattern == NULL || pattern[0] == '\0')
			ereport(ERROR,
					(errcode(nulls[i] ? ERRCODE_NULL_VALUE_NOT_ALLOWED : ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("patterns in \"%s\" must not be null or empty", argname)));
		list = lappend(list, pattern);
	}
	return list;
}

/*
 * Reserves a slot for a backup and gives it an id.
 */
static BbgwBackup *
take_slot(const BbgwOrder *order)
{
	BbgwBackup *backup = NULL;
	int64		last_id = bbgw_shared->next_id == 0 ?
	bbgw_history_last_id() : 0;
	bool		duplicate = false;

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < bbgw_max_backups; i++)
	{
		BbgwBackup *candidate = &bbgw_shared->backups[i];

		if (candidate->state == BBGW_FREE)
			backup = backup ? backup : candidate;
		else if (strcmp(candidate->order.destination, order->destination) == 0)
			duplicate = true;
	}
	if (backup && !duplicate)
	{
		if (bbgw_shared->next_id == 0)
			bbgw_shared->next_id = last_id + 1;
		bbgw_backup_reset(backup);
		bbgw_guard_reset(bbgw_guard_of(backup->number));
		backup->id = bbgw_shared->next_id++;
		backup->state = BBGW_STARTING;
		backup->caller_waits = true;
		backup->order = *order;
	}
	LWLockRelease(bbgw_shared->lock);

	if (duplicate)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("another backup is being written to destination \"%s\"",
						order->destination)));
	if (backup == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many backups are running"),
				 errhint("Wait for one to end, or increase backup_bgw.max_backups (now %d).",
						 bbgw_max_backups)));
	return backup;
}

static BackgroundWorkerHandle *
start_leader(BbgwBackup *backup)
{
	BackgroundWorkerHandle *handle;

	/* if the server crashes it comes back, to find no backup but its files */
	if (!bbgw_bgworker_register(BBGW_LEADER_MAIN, "leader",
								Int32GetDatum(backup->number),
								backup->id, 1, &handle))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start the leader of the backup: no background worker slot is free"),
				 errdetail("A backup takes one background worker, and one for each of its %d jobs.",
						   backup->order.jobs),
				 errhint("Increase max_worker_processes (now %d), or decrease the number of jobs.",
						 max_worker_processes)));
	return handle;
}

/*
 * Waits until the backup runs or is refused.  In the latter case raises the
 * leader's error.  A refused backup has its slot until its caller has seen
 * that.  One that has run may have ended before we look, and another one have
 * its slot.
 */
static void
wait_for_start(BbgwBackup *backup, int64 id, BackgroundWorkerHandle *handle,
			   bool needs_snapshot)
{
	BbgwError	error;
	BbgwState	state;
	pid_t		pid;

	ConditionVariablePrepareToSleep(&backup->cv);
	for (;;)
	{
		bool		stopped = GetBackgroundWorkerPid(handle,
													 &pid) == BGWH_STOPPED;

		LWLockAcquire(bbgw_shared->lock, LW_SHARED);
		state = backup->id == id ? backup->state : BBGW_FREE;
		error = backup->error;
		LWLockRelease(bbgw_shared->lock);

		if (state != BBGW_STARTING || stopped)
			break;
		bbgw_caller_sleep(&backup->cv, 1000, needs_snapshot);
	}
	ConditionVariableCancelSleep();

	if (state == BBGW_STARTING || state == BBGW_REFUSED)
	{
		if (error.sqlerrcode == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("the leader of the backup could not start"),
					 errhint("More details may be available in the server log.")));
		bbgw_error_throw(&error, "");
	}
}

/* A caller who waits for the start of a backup */
typedef struct Caller
{
	BbgwBackup *backup;
	int64		id;
} Caller;

/*
 * Nobody waits for the start of the backup any more: it was refused, or the
 * caller was interrupted, or ends.  A leader that is still there gives up and
 * frees the slot itself.  One that has not come yet finds it free, or
 * another's.
 */
static void
stop_waiting(int code, Datum arg)
{
	Caller	   *caller = (Caller *) DatumGetPointer(arg);
	BbgwBackup *backup = caller->backup;

	ConditionVariableCancelSleep();
	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	if (backup->id == caller->id && backup->state != BBGW_FREE)
	{
		backup->caller_waits = false;
		if (backup->state == BBGW_REFUSED || backup->leader_pid == 0)
			backup->state = BBGW_FREE;
		else
			bbgw_backup_cancel(backup, NameStr(backup->order.rolname));
	}
	LWLockRelease(bbgw_shared->lock);
	ConditionVariableBroadcast(&backup->cv);
}

/*
 * Starts the leader of a backup whose slot is taken, and waits for it.  If
 * this process is terminated meanwhile, PG_CATCH() would not know.
 */
static void
start_and_wait(BbgwBackup *backup, int64 id, bool needs_snapshot)
{
	Caller		caller = {backup, id};

	PG_ENSURE_ERROR_CLEANUP(stop_waiting, PointerGetDatum(&caller));
	{
		wait_for_start(backup, id, start_leader(backup), needs_snapshot);
	}
	PG_END_ENSURE_ERROR_CLEANUP(stop_waiting, PointerGetDatum(&caller));
}

/*
 * start_backup(destination, jobs, compression, include, exclude, max_rate)
 */
Datum
start_backup(PG_FUNCTION_ARGS)
{
	BbgwOrder	order = {0};
	BbgwRequest request = {0};
	dsm_segment *request_seg;
	BbgwBackup *backup;
	int64		id;

	bbgw_require_preload();
	bbgw_require_privilege();
	if (bbgw_asof_active())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot start a backup in a transaction that uses the snapshot of a backup")));
	bbgw_require_no_catalog_locked();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("recovery is in progress"),
				 errhint("Backups can be made on a primary server only.")));

	order.dboid = MyDatabaseId;
	order.roleid = GetUserId();
	order.by_superuser = superuser();
	namestrcpy(&order.datname, get_database_name(MyDatabaseId));
	namestrcpy(&order.rolname, GetUserNameFromId(GetUserId(), false));
	order.started_at = GetCurrentTimestamp();

	order.jobs = PG_ARGISNULL(1) ? bbgw_jobs : PG_GETARG_INT32(1);
	if (order.jobs < 1 || order.jobs > BBGW_MAX_JOBS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("jobs must be between 1 and %d, not %d", BBGW_MAX_JOBS, order.jobs)));
	if (order.jobs + 1 > max_worker_processes)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("a backup with %d jobs needs %d background workers",
						order.jobs, order.jobs + 1),
				 errhint("Increase max_worker_processes (now %d), or decrease the number of jobs.",
						 max_worker_processes)));
	bbgw_request_compression(PG_ARGISNULL(2) ? "lz4" : text_to_cstring(PG_GETARG_TEXT_PP(2)),
							 &order.compression, &order.compression_level);
	if (!PG_ARGISNULL(3))
		request.include = text_array_to_list(PG_GETARG_ARRAYTYPE_P(3), "include");
	if (!PG_ARGISNULL(4))
		request.exclude = text_array_to_list(PG_GETARG_ARRAYTYPE_P(4), "exclude");
	if (!PG_ARGISNULL(5))
		order.max_rate =
			bbgw_request_rate(text_to_cstring(PG_GETARG_TEXT_PP(5)));
	strlcpy(order.destination,
			bbgw_request_destination(PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0)),
									 NameStr(order.datname), order.started_at),
			MAXPGPATH);
	request.pg_dump_path = bbgw_pgdump_find();
	request.conninfo = bbgw_conninfo;
	request.settings.slice_size = bbgw_slice_size;
	request.settings.overlap = bbgw_overlap;
	request.settings.max_preserved_size = bbgw_max_preserved_size;
	request.settings.prepared_transactions = bbgw_prepared_transactions;
	request.settings.commit_timeout = bbgw_commit_timeout;

	request_seg = dsm_create(bbgw_request_size(&request), 0);
	bbgw_request_write(dsm_segment_address(request_seg), &request);
	order.request = dsm_segment_handle(request_seg);

	backup = take_slot(&order);
	id = backup->id;
	start_and_wait(backup, id, bbgw_caller_needs_snapshot(fcinfo));
	dsm_detach(request_seg);
	PG_RETURN_INT64(id);
}

static void
no_such_backup(int64 id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("backup " INT64_FORMAT " does not exist", id),
			 errhint("The views backup_progress and backup_history list the backups.")));
}

/*
 * The status of a backup that has ended.  Whoever does not see it in the view
 * is told that there is none.
 */
static const char *
status_from_history(int64 id)
{
	BbgwHistoryEntry *entry = bbgw_history_read(id);

	if (entry == NULL || !bbgw_role_may_see(entry->roleid))
		no_such_backup(id);
	if (entry->damage)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg_internal("%s", entry->damage)));
	return entry->status;
}

static long
interval_to_ms(const Interval *interval)
{
	double		days = interval->day + interval->month * (double) DAYS_PER_MONTH;
	double		ms = (interval->time + days * USECS_PER_DAY) / 1000.0;

	if (ms < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be negative")));
	return (long) Min(ms, (double) INT_MAX * 1000.0);
}

/*
 * wait_backup(id, timeout)
 */
Datum
wait_backup(PG_FUNCTION_ARGS)
{
	int64		id;
	long		timeout = -1;
	bool		needs_snapshot = bbgw_caller_needs_snapshot(fcinfo);
	TimestampTz start = GetCurrentTimestamp();

	bbgw_require_preload();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("backup id must not be null")));
	id = PG_GETARG_INT64(0);
	if (!PG_ARGISNULL(1))
		timeout = interval_to_ms(PG_GETARG_INTERVAL_P(1));

	for (;;)
	{
		BbgwBackup *backup;
		Oid			roleid = InvalidOid;
		long		left;

		LWLockAcquire(bbgw_shared->lock, LW_SHARED);
		backup = bbgw_backup_find(id);
		if (backup)
			roleid = backup->order.roleid;
		LWLockRelease(bbgw_shared->lock);

		/* the slot is freed after the history is written */
		if (backup == NULL)
		{
			ConditionVariableCancelSleep();
			PG_RETURN_TEXT_P(cstring_to_text(status_from_history(id)));
		}
		if (!bbgw_role_may_see(roleid))
			no_such_backup(id);

		left = timeout < 0 ? 1000 :
			timeout - TimestampDifferenceMilliseconds(start,
													  GetCurrentTimestamp());
		if (left <= 0)
		{
			ConditionVariableCancelSleep();
			PG_RETURN_TEXT_P(cstring_to_text("running"));
		}
		bbgw_caller_sleep(&backup->cv, left, needs_snapshot);
	}
}

/*
 * cancel_backup(id)
 */
Datum
cancel_backup(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	BbgwBackup *backup;
	Oid			roleid = InvalidOid;
	char	   *rolname = GetUserNameFromId(GetUserId(), false);
	bool		by_superuser = false;
	bool		permitted;

	bbgw_require_preload();

	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	backup = bbgw_backup_find(id);
	if (backup)
	{
		roleid = backup->order.roleid;
		by_superuser = backup->order.by_superuser;
	}
	LWLockRelease(bbgw_shared->lock);

	if (backup == NULL)
	{
		(void) status_from_history(id);
		PG_RETURN_BOOL(false);
	}

	/* as pg_cancel_backend() has it, and whatever became of the role since */
	permitted = superuser() ||
		(!superuser_arg(roleid) &&
		 (has_privs_of_role(GetUserId(), roleid) ||
		  (!by_superuser &&
		   has_privs_of_role(GetUserId(), ROLE_PG_SIGNAL_BACKEND))));
	if (!permitted)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to cancel backup " INT64_FORMAT, id),
				 errdetail("Only the role that started the backup, roles with its privileges or those of \"%s\", and superusers may cancel it.",
						   "pg_signal_backend")));

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	backup = bbgw_backup_find(id);
	if (backup)
		bbgw_backup_cancel(backup, rolname);
	LWLockRelease(bbgw_shared->lock);
	if (backup == NULL)
		PG_RETURN_BOOL(false);
	ConditionVariableBroadcast(&backup->cv);
	PG_RETURN_BOOL(true);
}
