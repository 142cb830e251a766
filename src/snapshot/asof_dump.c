/*-------------------------------------------------------------------------
 *
 * asof_dump.c
 *	  The session of a backup's pg_dump, when it comes to the data.
 *
 * pg_dump -Fd writes its table of contents as soon as it has read the catalogs,
 * before it asks for the rows of the first table.  Rows, and large objects, are
 * the workers' business, so in most databases that is all that is wanted of it.
 * It would still ask for each table, to be told that it is empty, and for each
 * large object, and make a file of each.  So its session tells the leader that
 * pg_dump has come there, and waits for the answer: to go on, or to end.
 *
 * If it goes on, it ends when it comes to large objects, which are the last data
 * that it writes.  Up to 16 it declares a cursor for them, its only one; from 17
 * on it opens the first.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

#include "shmem.h"
#include "snapshot/asof_session.h"

/* how often to look whether the backup is still there, in ms */
#define ANSWER_INTERVAL 1000

/*
 * Tells the leader that pg_dump asks for data.  Returns the backup, or NULL if it
 * is over.
 */
static BbgwBackup *
ask(void)
{
	BbgwBackup *backup;
	PGPROC	   *leader = NULL;

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	backup = bbgw_backup_find(bbgw_asof_session.backup_id);
	if (backup && backup->dump_stage == BBGW_DUMP_CATALOGS)
	{
		backup->dump_stage = BBGW_DUMP_ASKS;
		leader = BackendPidGetProc(backup->leader_pid);
	}
	LWLockRelease(bbgw_shared->lock);
	if (leader)
		SetLatch(&leader->procLatch);
	return backup;
}

/*
 * How far pg_dump is to go; not any further if the backup is over.
 */
static BbgwDumpStage
get_stage(void)
{
	BbgwBackup *backup;
	BbgwDumpStage stage;

	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	backup = bbgw_backup_find(bbgw_asof_session.backup_id);
	stage = backup ? backup->dump_stage : BBGW_DUMP_STOPS;
	LWLockRelease(bbgw_shared->lock);
	return stage;
}

/*
 * Ends the session, and with it pg_dump.  That is not for the server's log.
 */
pg_noreturn static void
stop(void)
{
	BbgwBackup *backup;

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	backup = bbgw_backup_find(bbgw_asof_session.backup_id);
	if (backup && backup->dump_pid == MyProcPid)
	{
		backup->dump_stage = BBGW_DUMP_STOPS;
		/* it may soon be another's */
		backup->dump_pid = 0;
	}
	LWLockRelease(bbgw_shared->lock);

	SetConfigOption("log_min_messages", "panic", PGC_SUSET, PGC_S_SESSION);
	ereport(FATAL,
			(errcode(ERRCODE_ADMIN_SHUTDOWN),
			 errmsg_internal("the backup has what it needs of pg_dump")));
}

/*
 * To be called before each statement, or function, by which pg_dump gets data;
 * does nothing in other sessions.  Waits for the leader the first time.  Does
 * not return if pg_dump is not to go on.
 *
 * No locks are held meanwhile.
 */
void
bbgw_asof_dump_data(bool large_objects)
{
	BbgwBackup *backup;
	BbgwDumpStage stage;

	if (!bbgw_asof_session.dumps || bbgw_asof_session.nesting > 0)
		return;

	if (!bbgw_asof_session.asked)
	{
		/* of what was looked up for the statement */
		bbgw_asof_session_rest(NULL);
		backup = ask();
		while ((stage = get_stage()) != BBGW_DUMP_GOES_ON)
		{
			if (stage == BBGW_DUMP_STOPS)
				stop();
			ConditionVariableTimedSleep(&backup->cv, ANSWER_INTERVAL,
										PG_WAIT_EXTENSION);
		}
		ConditionVariableCancelSleep();
		bbgw_asof_session.asked = true;
	}
	if (large_objects)
		stop();
}
