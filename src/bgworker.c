/*-------------------------------------------------------------------------
 *
 * bgworker.c
 *	  What our background workers have in common:
 *	  their registration, their connection, their settings.
 *
 * Output functions depend on settings.  For the rows to be those of pg_dump,
 * the settings must be those that pg_dump makes.  Others may have been made
 * for the database or for all sessions that would end a long transaction, or
 * the process at any error, before it could tell of it.
 * What we commit, the unlinking of files, no standby need have confirmed.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

#include "bgworker.h"
#include "shmem.h"

/* In bgw_extra: what a worker is for */
typedef struct WorkerTag
{
	int64		backup_id;
	uint64		incarnation;	/* of the shared memory */
} WorkerTag;

StaticAssertDecl(sizeof(WorkerTag) <= BGW_EXTRALEN, "bgw_extra is too small");

/*
 * Registers a background worker that runs "function" with the argument given,
 * for a backup (0: none in particular), and tells the calling process when it
 * starts and ends.  "restart_time" is as in BackgroundWorker: whether the
 * worker is to come back after a crash of the server, or if it exits with an
 * error.  Returns false if no slot for background workers is free.
 */
bool
bbgw_bgworker_register(const char *function, const char *role, Datum arg,
					   int64 backup_id, int restart_time,
					   BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;
	WorkerTag	tag = {backup_id, bbgw_shared->incarnation};

	memset(&worker, 0, sizeof(worker));

	/*
	 * Without BGWORKER_INTERRUPTIBLE, which 19 has: CREATE, ALTER or DROP
	 * DATABASE must not end a backup, but say that the database is in use, as
	 * for any session.  Sweepers they wait for, which do not take long.
	 */
	worker.bgw_flags =
		BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = restart_time;
	strlcpy(worker.bgw_library_name, "backup_bgw", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, function,
			sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_type, BGW_MAXLEN, "backup_bgw %s", role);
	if (backup_id != 0)
		snprintf(worker.bgw_name, BGW_MAXLEN, "backup_bgw %s for backup " INT64_FORMAT,
				 role, backup_id);
	else
		strlcpy(worker.bgw_name, worker.bgw_type, BGW_MAXLEN);
	worker.bgw_main_arg = arg;
	memcpy(worker.bgw_extra, &tag, sizeof(tag));
	worker.bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

/*
 * In such a worker: the id of the backup it was registered for, or 0 if that
 * was before a crash of the server, which no backup outlives.
 */
int64
bbgw_bgworker_backup_id(void)
{
	WorkerTag	tag;

	memcpy(&tag, MyBgworkerEntry->bgw_extra, sizeof(tag));
	return tag.incarnation == bbgw_shared->incarnation ? tag.backup_id : 0;
}

/* what this process does now and then in the middle of its work */
static void (*pause_function) (void) = NULL;

/*
 * Sets what bbgw_bgworker_pause() does from now on besides serving interrupts.
 * It is called very often, and in any transaction state; it may raise errors.
 */
void
bbgw_bgworker_set_pause(void (*function) (void))
{
	pause_function = function;
}

/*
 * To be called by whatever may take long, where nothing is held that others
 * want.
 */
void
bbgw_bgworker_pause(void)
{
	CHECK_FOR_INTERRUPTS();
	if (pause_function)
		pause_function();
}

static void
set(const char *name, const char *value)
{
	/* not every version has them all */
	if (GetConfigOption(name, true, false) != NULL)
		SetConfigOption(name, value, PGC_SUSET, PGC_S_SESSION);
}

/*
 * In such a worker: lets signals in, connects to a database (InvalidOid: to
 * none) as the superuser that initdb made, and makes all settings.
 */
void
bbgw_bgworker_connect(Oid dboid)
{
	/* the default handler would end us in the middle of anything */
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(dboid, InvalidOid,
											  BGWORKER_BYPASS_ALLOWCONN);

	set("role", "none");
	set("exit_on_error", "off");
	set("datestyle", "ISO");
	set("intervalstyle", "postgres");
	set("extra_float_digits", "3");
	set("synchronize_seqscans", "off");
	set("row_security", "off");
	set("statement_timeout", "0");
	set("lock_timeout", "0");
	set("transaction_timeout", "0");
	set("idle_in_transaction_session_timeout", "0");
	set("temp_file_limit", "-1");
	set("default_transaction_isolation", "repeatable read");
	set("default_transaction_deferrable", "off");
	set("synchronous_commit", "local");
	set("jit", "off");
	bbgw_bgworker_search_path(false);
}

/*
 * In such a worker: sets search_path to what the database says, for names that
 * users give, or to nothing, so that every name of an object comes out
 * qualified and none of a user's objects is taken for one of the system's.
 */
void
bbgw_bgworker_search_path(bool of_database)
{
	set("search_path", of_database ? NULL : "");
}
