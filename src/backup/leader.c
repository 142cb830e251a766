/*-------------------------------------------------------------------------
 *
 * leader.c
 *	  A backup from begin to end.
 *
 * The leader is a background worker.  It has one transaction, which holds S
 * from before pg_dump starts until the archive is in place.
 *
 * Before that, while it is still in the present, it arms the storage guard and
 * makes sure that no commit is on its way that the guard has not seen.  After
 * that, in the present again, it disarms the guard and sweeps up what is left
 * of preserved files.
 *
 * Errors end the backup but not the process, which cleans up in peace.  When
 * it is terminated that is done on its way out (leader_exit).  Only after a
 * crash of the server nothing is done; the history tells of such a backup, and
 * its unfinished directory stays.  The server then starts the leader again,
 * which finds itself without a backup and sees to the preserved files.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "archive/archive.h"
#include "backup/guarded_snapshot.h"
#include "backup/history.h"
#include "backup/leader.h"
#include "backup/pgdump.h"
#include "backup/plans.h"
#include "backup/reason.h"
#include "backup/schema.h"
#include "backup/shards.h"
#include "bgworker.h"
#include "copy/worker.h"
#include "guard/guard.h"
#include "guard/horizon.h"
#include "guard/sweep.h"
#include "paths.h"
#include "snapshot/asof.h"
#include "snapshot/lockpass.h"

/* how often the leader looks after its workers, in ms */
#define WATCH_INTERVAL 20

/* how long commits are waited for at the end; a later sweep has to do then */
#define DISARM_TIMEOUT 5000

static BbgwBackup *my_backup;
static BbgwGuard *my_guard;
static BbgwArchive *archive = NULL;
static BackgroundWorkerHandle *worker_handles[BBGW_MAX_JOBS];
static bool completed = false;	/* the archive is there to stay */
static bool ended = false;

/* outlives the transaction, for leader_exit() */
static MemoryContext leader_context;

/*
 * Ends all processes that work for this backup, and waits for it.  Nobody
 * writes into the archive after that.
 */
static void
stop_everybody(void)
{
	int			dump_pid;

	/*
	 * Its session might not notice that pg_dump is gone, waiting for a lock
	 * for instance.  While pg_dump lives the process ID is still the
	 * session's.
	 */
	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	dump_pid = my_backup->dump_pid;
	LWLockRelease(bbgw_shared->lock);
	if (dump_pid != 0 && BackendPidGetProc(dump_pid) != NULL)
		(void) kill(dump_pid, SIGTERM);
	bbgw_pgdump_kill();

	for (int i = 0; i < my_backup->order.jobs; i++)
		if (worker_handles[i])
			TerminateBackgroundWorker(worker_handles[i]);
	for (int i = 0; i < my_backup->order.jobs; i++)
		if (worker_handles[i])
			WaitForBackgroundWorkerShutdown(worker_handles[i]);
}

/*
 * What is done at the end of every backup.  Its transaction is over.  If the
 * process is about to exit, it can have no other one.
 */
static void
end_backup(bool exiting)
{
	BbgwError  *error = &my_backup->error;
	const char *status = "failed";
	bool		refuse = false;

	if (!completed)
	{
		/* at once, as it may soon be too late to know */
		if (error->sqlerrcode == 0)
			bbgw_reason_terminated(my_backup);
		stop_everybody();
		if (archive)
			bbgw_archive_remove(archive);

		LWLockAcquire(bbgw_shared->lock, LW_SHARED);
		refuse = my_backup->state == BBGW_STARTING;
		LWLockRelease(bbgw_shared->lock);
	}

	bbgw_guard_disarm(my_guard,
					  exiting ||
					  my_backup->snapshot == DSM_HANDLE_INVALID ? 0 : DISARM_TIMEOUT);
	if (OidIsValid(MyDatabaseId))
	{
		if (!exiting)
		{
			bbgw_asof_leave();
			bbgw_horizon_release();
			bbgw_sweep();
		}
		else
			bbgw_sweep_request();
	}

	if (completed)
		status = "completed";
	else if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		status = "cancelled";
	if (!refuse)
	{
		bbgw_history_write(my_backup, status, LOG);
		bbgw_history_prune();
		ereport(LOG,
				(errmsg("backup " INT64_FORMAT " of database \"%s\" to \"%s\" %s",
						my_backup->id, NameStr(my_backup->order.datname),
						my_backup->order.destination, status),
				 errdetail(UINT64_FORMAT " files were preserved for it, " UINT64_FORMAT " times it gave up a lock to others.",
						   pg_atomic_read_u64(&my_guard->files_preserved),
						   pg_atomic_read_u64(&my_backup->lock_yields))));
	}

	ended = true;
	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	my_backup->leader_pid = 0;
	my_backup->dump_pid = 0;
	my_backup->state = refuse &&
		my_backup->caller_waits ? BBGW_REFUSED : BBGW_FREE;
	LWLockRelease(bbgw_shared->lock);
	ConditionVariableBroadcast(&my_backup->cv);
}

/*
 * The way out of a leader that was terminated.
 */
static void
leader_exit(int code, Datum arg)
{
	if (ended)
		return;

	/*
	 * Removing what was written may take long.  Nothing in the database is of
	 * interest any more, so DROP DATABASE ... WITH (FORCE), which may be what
	 * ends this process, need not wait for that; it would not, for long.
	 */
	MyProc->databaseId = InvalidOid;
	end_backup(true);
}

static void
set_phase(BbgwPhase phase)
{
	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	my_backup->phase = phase;
	LWLockRelease(bbgw_shared->lock);
	ConditionVariableBroadcast(&my_backup->cv);
}

/*
 * Raises an error if the backup is to be given up: cancelled, or a worker has
 * failed.
 */
static void
check_on_others(void)
{
	bool		cancelled;
	bool		finished[BBGW_MAX_JOBS];
	BbgwError	worker_error;

	CHECK_FOR_INTERRUPTS();
	bbgw_guard_check(my_guard);

	/* look at the processes first, as they leave their word before they go */
	for (int i = 0; i < my_backup->order.jobs; i++)
	{
		pid_t		pid;

		finished[i] = worker_handles[i] == NULL ||
			GetBackgroundWorkerPid(worker_handles[i],
								   &pid) != BGWH_STOPPED;
	}

	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	cancelled = my_backup->cancelled;
	worker_error = my_backup->worker_error;
	for (int i = 0; i < my_backup->order.jobs; i++)
		finished[i] |= my_backup->workers[i].finished;
	LWLockRelease(bbgw_shared->lock);

	if (cancelled)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("the backup was cancelled")));
	if (worker_error.sqlerrcode != 0)
		bbgw_error_throw(&worker_error, "");
	for (int i = 0; i < my_backup->order.jobs; i++)
		if (!finished[i])
			ereport(ERROR,
					(errcode(ERRCODE_ADMIN_SHUTDOWN),
					 errmsg("a table worker of the backup was terminated"),
					 errhint("More details may be available in the server log.")));
}

/*
 * Sleeps for a while, but not when there is something to do.
 */
static void
nap(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 ms,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	check_on_others();
}

static BbgwRequest *
read_request(void)
{
	dsm_segment *seg = dsm_attach(my_backup->order.request);
	BbgwRequest *request;

	if (seg == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("the caller of start_backup() is gone")));
	request = bbgw_request_read(dsm_segment_address(seg));
	dsm_detach(seg);
	return request;
}

static void
start_workers(void)
{
	for (int i = 0; i < my_backup->order.jobs; i++)
	{
		pid_t		pid;

		if (!bbgw_bgworker_register(BBGW_WORKER_MAIN, "worker",
									Int32GetDatum(my_backup->number * BBGW_MAX_JOBS + i),
									my_backup->id, BGW_NEVER_RESTART,
									&worker_handles[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("could not start table worker %d of %d: no background worker slot is free",
							i + 1, my_backup->order.jobs),
					 errhint("Increase max_worker_processes (now %d), or decrease the number of jobs.",
							 max_worker_processes)));
		if (WaitForBackgroundWorkerStartup(worker_handles[i],
										   &pid) == BGWH_POSTMASTER_DIED)
			proc_exit(1);
	}
}

/*
 * From here on the backup runs whether its caller waits or not, unless the
 * caller gave up a moment ago.
 */
static void
report_start(void)
{
	check_on_others();
	bbgw_history_write(my_backup, "running", ERROR);

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	my_backup->state = BBGW_RUNNING;
	my_backup->phase = BBGW_PHASE_SCHEMA;
	LWLockRelease(bbgw_shared->lock);
	ConditionVariableBroadcast(&my_backup->cv);

	ereport(LOG,
			(errmsg("backup " INT64_FORMAT " of database \"%s\" to \"%s\" started",
					my_backup->id, NameStr(my_backup->order.datname),
					my_backup->order.destination)));
}

/*
 * What the leader does from time to time while others work.  Output functions
 * of composite types lock those, and may be waiting.
 */
static void
look_after_others(void)
{
	int			pids[BBGW_MAX_JOBS];

	check_on_others();
	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	for (int i = 0; i < my_backup->order.jobs; i++)
		pids[i] = my_backup->workers[i].pid;
	LWLockRelease(bbgw_shared->lock);
	for (int i = 0; i < my_backup->order.jobs; i++)
		if (pids[i] != 0)
			(void) bbgw_lockpass(pids[i], my_backup->own_files);
}

/*
 * The same for bbgw_bgworker_pause(), which calls it very often.
 */
static void
look_around(void)
{
	static TimestampTz last = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (now - last < WATCH_INTERVAL * 1000)
		return;
	last = now;
	look_after_others();
}

static void
wait_for_workers(void)
{
	bool		finished = false;

	while (!finished)
	{
		bbgw_bgworker_pause();

		finished = true;
		LWLockAcquire(bbgw_shared->lock, LW_SHARED);
		for (int i = 0; i < my_backup->order.jobs; i++)
			finished &= my_backup->workers[i].finished;
		LWLockRelease(bbgw_shared->lock);

		if (!finished)
			nap(WATCH_INTERVAL);
	}
}

/*
 * Has pg_dump do what it is needed for, and returns its table of contents.
 */
static const BbgwToc *
get_toc(BbgwSchemaRun *schema)
{
	if (bbgw_schema_wait(schema))
	{
		const BbgwToc *toc = NULL;

		/* or else it is another one that has used pg_dump's token */
		if (bbgw_archive_has_toc(archive))
			toc = bbgw_archive_read_toc(archive);
		if (toc && bbgw_plans_cover(toc))
		{
			bbgw_schema_stop(schema);
			bbgw_archive_dump_stopped(archive);
			return toc;
		}
		bbgw_schema_go_on(schema);
	}
	return bbgw_archive_read_toc(archive);
}

static void
run_backup(void)
{
	BbgwRequest *request = read_request();
	BbgwSchemaRun schema = {
		.backup = my_backup,
		.request = request,
		.check = look_after_others
	};
	BbgwSelection selection;
	BbgwNeededSet *needed;

	/* what earlier backups may have left, of transactions since committed */
	bbgw_sweep();

	needed = bbgw_guarded_snapshot_take(my_backup, &request->settings, nap);
	MemoryContextSwitchTo(leader_context);
	bbgw_bgworker_set_pause(look_around);
	bbgw_shards_check();

	bbgw_bgworker_search_path(true);
	bbgw_patterns_select(request->include, request->exclude, &selection);
	bbgw_bgworker_search_path(false);

	archive = bbgw_archive_create(my_backup);
	start_workers();
	schema.archive = archive;
	bbgw_schema_start(&schema);
	report_start();

	bbgw_plans_foresee(my_backup, request, &selection, needed);
	bbgw_plans_settle(my_backup, request, get_toc(&schema), archive, my_guard,
					  needed);
	bbgw_archive_convert(archive);
	wait_for_workers();

	set_phase(BBGW_PHASE_FINISHING);
	check_on_others();
	bbgw_archive_check(archive);
	bbgw_plans_deliver(my_backup, archive);
	bbgw_archive_finish(archive);

	/* whatever happens to this process */
	completed = true;
	bbgw_asof_commit();
}

/*
 * Entry point.  The argument is the number of the backup's slot, which
 * start_backup() has filled in.
 */
void
bbgw_leader_main(Datum arg)
{
	bool		wanted;

	my_backup = &bbgw_shared->backups[DatumGetInt32(arg)];
	my_guard = bbgw_guard_of(DatumGetInt32(arg));

	/*
	 * The caller may have given up before we came, and the slot be another's.
	 * Or the server has crashed and started us anew.
	 */
	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	wanted = my_backup->state == BBGW_STARTING &&
		my_backup->leader_pid == 0 &&
		my_backup->id == bbgw_bgworker_backup_id();
	if (wanted)
		my_backup->leader_pid = MyProcPid;
	LWLockRelease(bbgw_shared->lock);
	if (!wanted)
	{
		bbgw_sweep_everywhere();
		return;
	}

	/* before ShutdownPostgres(), that is, called after it */
	before_shmem_exit(leader_exit, 0);

	bbgw_bgworker_connect(my_backup->order.dboid);
	bbgw_asof_settings();

	leader_context = AllocSetContextCreate(TopMemoryContext, "backup_bgw leader",
										   ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(leader_context);
	PG_TRY();
	{
		run_backup();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		/* The caller, and the history, are to know why. */
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(leader_context);
		edata = CopyErrorData();
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		bbgw_reason_error(my_backup, edata);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(leader_context);
	end_backup(false);
}
