/*-------------------------------------------------------------------------
 *
 * intruder.c
 *	  For tests: another library, which does what libraries may do at moments
 *	  that matter, and stops processes there.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <unistd.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/storage.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "postmaster/bgworker.h"
#include "storage/fd.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#if PG_VERSION_NUM < 160000
typedef RelFileNode RelFileLocator;
#endif

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

static char *sql_before_commit;
static char *unlink_before_commit;
static char *wait_at_log;
static char *kill_at_commit;

static emit_log_hook_type prev_emit_log_hook = NULL;
static bool busy = false;

static void
run_sql(void)
{
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_execute(sql_before_commit, false, 0) < 0)
		elog(ERROR, "SPI_execute failed");
	PopActiveSnapshot();
	SPI_finish();
}

/* leaves the catalogs as they are, so that nobody is told */
static void
unlink_table(void)
{
	Oid			relid = RelnameGetRelid(unlink_before_commit);
	Relation	rel = RelationIdGetRelation(relid);

	if (rel == NULL)
		elog(ERROR, "no such table");
	(void) GetCurrentTransactionId();
	RelationDropStorage(rel);
	RelationClose(rel);
}

static void
xact_callback(XactEvent event, void *arg)
{
	RelFileLocator *files;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (busy || !IsUnderPostmaster)
				break;
			busy = true;
			if (*sql_before_commit)
				run_sql();
			if (*unlink_before_commit)
				unlink_table();
			busy = false;
			break;
		case XACT_EVENT_ABORT:
			busy = false;
			break;
		case XACT_EVENT_COMMIT:
			if (*kill_at_commit && MyBgworkerEntry &&
				strcmp(MyBgworkerEntry->bgw_type, kill_at_commit) == 0 &&
				smgrGetPendingDeletes(true, &files) > 0 &&
				unlink("intruder.kill") == 0)
				kill(MyProcPid, SIGKILL);
			break;
		default:
			break;
	}
}

/* with a file intruder.hold in the data directory; makes intruder.held */
static void
log_hook(ErrorData *edata)
{
	if (prev_emit_log_hook)
		prev_emit_log_hook(edata);

	if (*wait_at_log && edata->message && strstr(edata->message, wait_at_log) &&
		access("intruder.hold", F_OK) == 0)
	{
		FILE	   *held = fopen("intruder.held", "w");

		if (held)
			fclose(held);
		while (access("intruder.hold", F_OK) == 0)
			pg_usleep(10000L);
		unlink("intruder.held");
	}
}

void
_PG_init(void)
{
	DefineCustomStringVariable("intruder.sql_before_commit",
							   "SQL to run before each commit.", NULL,
							   &sql_before_commit, "", PGC_SUSET, 0,
							   NULL, NULL, NULL);
	DefineCustomStringVariable("intruder.unlink_before_commit",
							   "Table whose files to unlink with each commit.", NULL,
							   &unlink_before_commit, "", PGC_SUSET, 0,
							   NULL, NULL, NULL);
	DefineCustomStringVariable("intruder.wait_at_log",
							   "Wait at messages with this text.", NULL,
							   &wait_at_log, "", PGC_SUSET, 0,
							   NULL, NULL, NULL);
	DefineCustomStringVariable("intruder.kill_at_commit",
							   "Background workers of this type die, once, between commit and unlinking.", NULL,
							   &kill_at_commit, "", PGC_SUSET, 0,
							   NULL, NULL, NULL);
	RegisterXactCallback(xact_callback, NULL);
	prev_emit_log_hook = emit_log_hook;
	emit_log_hook = log_hook;
}
