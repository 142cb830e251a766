/*-------------------------------------------------------------------------
 *
 * schema.c
 *	  The schema phase of a backup: pg_dump as of S.
 *
 * pg_dump runs as a child (pgdump.c); the session it connects to puts itself
 * as of S (asof_session.c), where a token makes it known as the backup's.  While
 * it runs its session is looked after: it must not wait for the locks of others
 * for long (lockpass.c).  Should it be chosen to break a deadlock all the same,
 * with REINDEX of a catalog for instance, pg_dump is run again, as of the same
 * S.
 *
 * When pg_dump has written its table of contents it asks for data, and the
 * leader says whether there is any that it is to write (asof_dump.c).
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/pgdump.h"
#include "backup/schema.h"
#include "snapshot/lockpass.h"

/* how often to look whether pg_dump is as of S, and then at its session, in ms */
#define START_INTERVAL 500
#define WATCH_INTERVAL 20

/* deadlocks are rare; one that comes back each time has a reason */
#define MAX_TRIES 5

/*
 * A word that nobody can guess, for one session.
 */
static void
make_token(char *token)
{
	uint8		random[BBGW_TOKEN_LENGTH / 2];

	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(token + 2 * i, 3, "%02x", random[i]);
}

static BbgwDumpStage
stage(const BbgwSchemaRun *run)
{
	BbgwDumpStage stage;

	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	stage = run->backup->dump_stage;
	LWLockRelease(bbgw_shared->lock);
	return stage;
}

static void
answer(const BbgwSchemaRun *run, BbgwDumpStage stage)
{
	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	run->backup->dump_stage = stage;
	LWLockRelease(bbgw_shared->lock);
	ConditionVariableBroadcast(&run->backup->cv);
}

static void
launch(BbgwSchemaRun *run)
{
	make_token(run->token);
	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	strlcpy(run->backup->dump_token, run->token, sizeof(run->token));
	run->backup->dump_pid = 0;
	run->backup->dump_stage = BBGW_DUMP_CATALOGS;
	LWLockRelease(bbgw_shared->lock);

	run->tries++;
	run->ended = false;
	bbgw_pgdump_start(run->backup, run->request, run->token,
					  bbgw_archive_begin_dump(run->archive));
}

/*
 * pg_dump has ended.  Runs it again if it was for a deadlock.
 */
static bool
try_again(BbgwSchemaRun *run)
{
	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	run->backup->dump_token[0] = '\0';
	LWLockRelease(bbgw_shared->lock);

	if (!bbgw_pgdump_deadlocked() || run->tries == MAX_TRIES)
		return false;

	run->check();
	launch(run);
	return true;
}

static int
session_pid(const BbgwSchemaRun *run)
{
	int			pid;

	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	pid = run->backup->dump_pid;
	LWLockRelease(bbgw_shared->lock);
	return pid;
}

/*
 * Starts pg_dump, and waits until it is as of S.  Raises an error if it fails
 * before.
 */
void
bbgw_schema_start(BbgwSchemaRun *run)
{
	launch(run);
	while (session_pid(run) == 0)
	{
		run->ended = bbgw_pgdump_poll(START_INTERVAL);

		/* it may have come, and be through, since we looked */
		if (run->ended && session_pid(run) == 0 && !try_again(run))
		{
			run->check();
			bbgw_pgdump_result(false);
			elog(ERROR, "pg_dump has ended without using the snapshot of the backup");
		}
		run->check();
	}
}

/*
 * Waits for the end of pg_dump.  Returns true before that, if it asks for data;
 * with "go_on" it gets it instead.
 */
static bool
wait_for_dump(BbgwSchemaRun *run, bool go_on)
{
	do
	{
		while (!run->ended)
		{
			int			pid = session_pid(run);

			if (stage(run) == BBGW_DUMP_ASKS)
			{
				if (!go_on)
					return true;
				bbgw_pgdump_log();
				answer(run, BBGW_DUMP_GOES_ON);
			}
			run->check();
			if (pid != 0)
				(void) bbgw_lockpass(pid, run->backup->own_files);
			run->ended = bbgw_pgdump_poll(WATCH_INTERVAL);
		}
	} while (try_again(run));
	return false;
}

/*
 * pg_dump has ended.  Raises an error if it has failed, other than by being
 * stopped: that it does not know, and what it says of it is nobody's business.
 */
static void
end_run(BbgwSchemaRun *run)
{
	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	run->backup->dump_token[0] = '\0';
	run->backup->dump_pid = 0;
	LWLockRelease(bbgw_shared->lock);
	bbgw_archive_check(run->archive);
	/* what ends the backup may have ended pg_dump, too */
	run->check();
	if (stage(run) != BBGW_DUMP_STOPS)
		bbgw_pgdump_result(true);
}

/*
 * Waits until pg_dump has written its table of contents.  Returns true if it now
 * waits for bbgw_schema_stop() or bbgw_schema_go_on(), false if it has ended as
 * it had no data to ask for.  Raises an error if it has failed.
 */
bool
bbgw_schema_wait(BbgwSchemaRun *run)
{
	if (wait_for_dump(run, false))
		return true;
	end_run(run);
	return false;
}

/*
 * Has pg_dump write its data files, but those of large objects, and waits for its
 * end.  Raises an error if it has failed.
 */
void
bbgw_schema_go_on(BbgwSchemaRun *run)
{
	(void) wait_for_dump(run, true);
	end_run(run);
}

/*
 * Has pg_dump end, of which nothing is wanted any more.
 */
void
bbgw_schema_stop(BbgwSchemaRun *run)
{
	bbgw_pgdump_log();
	answer(run, BBGW_DUMP_STOPS);
	while (!bbgw_pgdump_poll(WATCH_INTERVAL))
		run->check();
	run->ended = true;
	end_run(run);
}
