/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  A table worker: takes units from the plan and writes a data file of each.
 *
 * Units are read by scan.c, without ever keeping others waiting, or waiting
 * for others.  Tables whose files have been preserved come first, so that disk
 * space is given back soon; then those that nobody has locked, the biggest
 * first; then the rest.
 *
 * Small tables share a transaction, as beginning and ending one takes as long
 * as reading one of them.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "archive/archive.h"
#include "bgworker.h"
#include "copy/large_objects.h"
#include "copy/scan.h"
#include "copy/worker.h"
#include "guard/guard.h"
#include "guard/sweep.h"
#include "snapshot/asof.h"

/* preserved files that have been read are unlinked when there is so much of them */
#define RELEASE_BYTES (16 * 1024 * 1024)
#define RELEASE_FILES 256

/* a transaction ends after so many units, or if it has lasted so long, in ms */
#define UNITS_PER_TRANSACTION 64
#define TRANSACTION_TIME	  50

/* how long to wait for a lock when there is nothing else to read, in ms */
#define LEFTOVER_NAP 10

static BbgwBackup *my_backup;
static BbgwGuard *my_guard;
static BbgwWorkerSlot *my_slot;
static dsm_handle snapshot;
static BbgwPlan *plan;
static BbgwUnit *units;
static BbgwNeededSet *needed;

/* of the present transaction */
static int	nunits_read = 0;
static TimestampTz begun_at;

static MemoryContext unit_context;

/*
 * A backup does not wait for its workers to be gone when they have nothing more
 * to do, so the slot may be another's by now.
 */
static void
worker_exit(int code, Datum arg)
{
	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	if (my_slot->pid == MyProcPid)
	{
		my_slot->pid = 0;
		my_slot->relid = InvalidOid;
	}
	LWLockRelease(bbgw_shared->lock);
}

/*
 * Shows in backup_workers and pg_stat_activity what is being read, if
 * anything.
 */
static void
show_relation(const BbgwTable *table)
{
	char		activity[2 * NAMEDATALEN + 32];

	if (table)
	{
		snprintf(activity, sizeof(activity), "backup of table %s.%s",
				 NameStr(table->nspname), NameStr(table->relname));
		pgstat_report_activity(STATE_RUNNING, activity);
	}
	else
		pgstat_report_activity(STATE_IDLE, NULL);

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	my_slot->relid = table ? table->heap.oid : InvalidOid;
	if (table)
	{
		my_slot->nspname = table->nspname;
		my_slot->relname = table->relname;
	}
	LWLockRelease(bbgw_shared->lock);
}

static void
error_context(void *arg)
{
	const BbgwTable *table = arg;

	errcontext("backup of table \"%s.%s\"",
			   NameStr(table->nspname), NameStr(table->relname));
}

/*
 * Ends the transaction, if there is one.  To be called before anything else is
 * done than reading.
 */
static void
end_reading(void)
{
	if (IsTransactionState())
		bbgw_asof_commit();
}

/*
 * Makes sure that we are in a transaction as of S, and not for long.
 */
static void
begin_reading(void)
{
	if (nunits_read++ >= UNITS_PER_TRANSACTION ||
		TimestampDifferenceExceeds(begun_at, GetCurrentTimestamp(),
								   TRANSACTION_TIME))
		end_reading();
	if (IsTransactionState())
		return;
	bbgw_asof_begin(snapshot, my_backup->leader_pid, my_backup->own_files);
	begun_at = GetCurrentTimestamp();
	nunits_read = 1;
}

/*
 * Gives up the files of a table that has been read, unless pg_dump may need
 * them; then the leader does when it has ended (bbgw_plan_release_read).
 */
static void
release_table(const BbgwTable *table)
{
	bool		settled;

	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	settled = my_backup->settled;
	LWLockRelease(bbgw_shared->lock);
	if (settled)
		bbgw_plan_release_table(table, my_guard, needed);
}

/*
 * Reads a unit into its file; one of large objects into theirs, and a report of
 * them.
 */
static bool
read_unit(const BbgwTable *table, BbgwUnit *unit, BbgwSink *sink, bool insist)
{
	static BbgwSink *report = NULL;
	static pg_atomic_uint64 report_bytes;

	if (!table->is_large_objects)
	{
		if (!bbgw_scan_unit(my_backup, my_slot, table, unit, sink, insist))
			return false;
		bbgw_sink_end(sink, &unit->file);
		return true;
	}

	if (report == NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(TopMemoryContext);

		pg_atomic_init_u64(&report_bytes, 0);
		report = bbgw_sink_create(BBGW_COMPRESSION_NONE, 0, &report_bytes, NULL,
								  true);
		MemoryContextSwitchTo(old_context);
	}
	return bbgw_large_objects_unit(my_backup, my_slot, unit, sink, report,
								   insist);
}

/*
 * Reads a unit.  Returns false if its table is locked; see bbgw_scan_unit().
 */
static bool
back_up_unit(BbgwUnit *unit, BbgwSink *sink, bool insist)
{
	BbgwTable  *table = &plan->tables[unit->table];
	ErrorContextCallback callback;
	bool		read;

	show_relation(table);
	callback.callback = error_context;
	callback.arg = table;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	begin_reading();
	MemoryContextSwitchTo(unit_context);
	read = read_unit(table, unit, sink, insist);
	if (read)
		bbgw_guard_check(my_guard);
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset(unit_context);

	error_context_stack = callback.previous;
	if (read)
	{
		unit->done = true;
		if (pg_atomic_add_fetch_u32(&table->nunits_done, 1) == table->nunits)
		{
			if (!table->is_large_objects)
				pg_atomic_fetch_add_u64(&my_backup->tables_done, 1);
			release_table(table);
		}
	}
	show_relation(NULL);
	return read;
}

/*
 * Unlinks preserved files that have been read, if it is worth the trouble.
 */
static void
release_files(void)
{
	if (pg_atomic_read_u64(&my_guard->released_bytes) < RELEASE_BYTES &&
		pg_atomic_read_u64(&my_guard->released_files) < RELEASE_FILES)
		return;

	pg_atomic_write_u64(&my_guard->released_bytes, 0);
	pg_atomic_write_u64(&my_guard->released_files, 0);
	end_reading();
	bbgw_asof_leave();
	bbgw_sweep();
}

/*
 * Takes a unit that is to be read.
 */
static bool
take(BbgwUnit *unit)
{
	return !plan->tables[unit->table].unwanted && bbgw_unit_take(unit);
}

static bool
is_preserved(const BbgwStorage *storage)
{
	return OidIsValid(storage->oid) &&
		(pg_atomic_read_u32(&needed->files[storage->needed].flags) & BBGW_FILE_PRESERVED) != 0;
}

/*
 * Takes a unit of a table whose files have been preserved, so that they need
 * not be kept for long.
 */
static BbgwUnit *
take_preserved(void)
{
	/* where to go on, and how many files were preserved when we began */
	static const BbgwPlan *of = NULL;
	static uint32 position = 0;
	static uint64 known = 0;

	if (of != plan)
	{
		of = plan;
		position = 0;
		known = 0;
	}

	if (position == 0)
	{
		uint64		now = pg_atomic_read_u64(&my_guard->files_preserved);

		if (now == known)
			return NULL;
		known = now;
	}
	while (position < plan->nunits)
	{
		BbgwUnit   *unit = &units[position++];
		BbgwTable  *table = &plan->tables[unit->table];

		if (pg_atomic_unlocked_test_flag(&unit->taken) && !table->is_catalog &&
			(is_preserved(&table->heap) || is_preserved(&table->toast) ||
			 is_preserved(&table->toast_index)) &&
			take(unit))
			return unit;
	}
	position = 0;
	return NULL;
}

/*
 * Takes the next unit that nobody has looked at.
 */
static BbgwUnit *
take_next(void)
{
	uint32		next;

	while ((next = pg_atomic_fetch_add_u32(&plan->next_unit,
										   1)) < plan->nunits)
		if (take(&units[next]))
			return &units[next];

	/* do not let it wrap around */
	pg_atomic_write_u32(&plan->next_unit, plan->nunits);
	return NULL;
}

/*
 * Reads the units that were put back because somebody has their table locked.
 * There is nothing else to do now, so locked tables are read as they are.
 * Only those that cannot be read without their lock have to wait longer.
 */
static void
read_leftovers(BbgwSink *sink)
{
	bool		left = true;

	while (left)
	{
		left = false;
		for (uint32 i = 0; i < plan->nunits; i++)
		{
			if (!take(&units[i]))
				continue;
			if (!back_up_unit(&units[i], sink, true))
			{
				pg_atomic_clear_flag(&units[i].taken);
				left = true;
			}
			release_files();
		}
		end_reading();
		if (left)
		{
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 LEFTOVER_NAP, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
	}
}

static void *
attach(dsm_handle handle)
{
	dsm_segment *seg = dsm_attach(handle);

	if (seg == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the leader of the backup is gone")));
	dsm_pin_mapping(seg);
	return dsm_segment_address(seg);
}

/*
 * Waits for the leader to publish the next plan.  Returns false if there will
 * be none.
 */
static bool
wait_for_plan(int number)
{
	dsm_handle	handle;
	bool		settled;

	if (number == BBGW_MAX_PLANS)
		return false;
	for (;;)
	{
		LWLockAcquire(bbgw_shared->lock, LW_SHARED);
		handle = my_backup->plans[number];
		settled = my_backup->settled;
		snapshot = my_backup->snapshot;
		LWLockRelease(bbgw_shared->lock);

		if (handle != DSM_HANDLE_INVALID || settled)
			break;
		ConditionVariableTimedSleep(&my_backup->cv, 1000, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	if (handle == DSM_HANDLE_INVALID)
		return false;

	plan = attach(handle);
	units = BBGW_PLAN_UNITS(plan);
	if (needed == NULL)
		needed = attach(bbgw_guard_needed(my_guard));
	return true;
}

static void
carry_out_plan(BbgwSink *sink)
{
	BbgwUnit   *unit;

	while ((unit = take_preserved()) != NULL || (unit = take_next()) != NULL)
	{
		if (!back_up_unit(unit, sink, false))
			pg_atomic_clear_flag(&unit->taken);
		release_files();
	}
	read_leftovers(sink);
	end_reading();
}

static void
work(void)
{
	BbgwSink   *sink = bbgw_sink_create(my_backup->order.compression,
										my_backup->order.compression_level,
										&my_backup->bytes_written,
										bbgw_scan_before_blocking,
										my_backup->sync_later);

	unit_context = AllocSetContextCreate(TopMemoryContext, "backup_bgw unit",
										 ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; wait_for_plan(i); i++)
		carry_out_plan(sink);

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	my_slot->finished = true;
	LWLockRelease(bbgw_shared->lock);
}

/*
 * Entry point.  The argument is the number of the backup's slot times
 * BBGW_MAX_JOBS, plus the worker's own number.
 */
void
bbgw_worker_main(Datum arg)
{
	my_backup = &bbgw_shared->backups[DatumGetInt32(arg) / BBGW_MAX_JOBS];
	my_guard = bbgw_guard_of(my_backup->number);
	my_slot = &my_backup->workers[DatumGetInt32(arg) % BBGW_MAX_JOBS];
	before_shmem_exit(worker_exit, 0);
	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	my_slot->pid = MyProcPid;
	LWLockRelease(bbgw_shared->lock);

	bbgw_bgworker_connect(my_backup->order.dboid);
	bbgw_asof_settings();

	MemoryContextSwitchTo(TopMemoryContext);
	PG_TRY();
	{
		work();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		/* The leader is to know why.  The first error is the one that counts. */
		MemoryContextSwitchTo(TopMemoryContext);
		edata = CopyErrorData();
		LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
		if (my_backup->worker_error.sqlerrcode == 0)
			bbgw_error_capture(&my_backup->worker_error, edata);
		LWLockRelease(bbgw_shared->lock);
		PG_RE_THROW();
	}
	PG_END_TRY();
}
