/*-------------------------------------------------------------------------
 *
 * reason.c
 *	  Why a backup ended before it was complete.
 *
 * When the server is shut down, or the database is dropped with FORCE, all
 * processes of a backup are told to end, and that is all they are told.  One of
 * them is the first, and what the leader learns is that a worker is gone, or
 * pg_dump has failed, or that it has to end itself.  So where the reason may be
 * a greater one, this looks for it:
 *
 * - The postmaster writes into its own file that it is stopping, for pg_ctl to
 *	 read.
 * - Who drops a database has it locked, as nobody has who merely works in it.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/lock.h"
#include "utils/pidfile.h"

#include "backup/reason.h"

/* the postmaster's file, in the data directory */
#define PID_FILE "postmaster.pid"

static bool
server_is_stopping(void)
{
	char		text[2 * MAXPGPATH];
	const char *line = text;
	int			fd = OpenTransientFile(PID_FILE, O_RDONLY);
	ssize_t		len;

	if (fd < 0)
		return false;
	len = read(fd, text, sizeof(text) - 1);
	CloseTransientFile(fd);
	if (len < 0)
		return false;
	text[len] = '\0';

	for (int i = LOCK_FILE_LINE_PID; i < LOCK_FILE_LINE_PM_STATUS && line; i++)
	{
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return line &&
		strncmp(line, PM_STATUS_STOPPING, strlen(PM_STATUS_STOPPING)) == 0;
}

static bool
database_is_dropped(Oid dboid)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, dboid, 0);
	return VirtualTransactionIdIsValid(*GetLockConflicts(&tag,
														 AccessShareLock, NULL));
}

/*
 * Puts the greater reason, if there is one, into *error.
 */
static bool
find_greater_reason(const BbgwBackup *backup, BbgwError *error)
{
	if (server_is_stopping())
		strlcpy(error->message, "the server was shut down",
				sizeof(error->message));
	else if (database_is_dropped(backup->order.dboid))
		snprintf(error->message, sizeof(error->message),
				 "database \"%s\" was dropped with FORCE",
				 NameStr(backup->order.datname));
	else
		return false;

	error->sqlerrcode = ERRCODE_ADMIN_SHUTDOWN;
	error->detail[0] = error->hint[0] = error->context[0] = '\0';
	return true;
}

/*
 * May an error be what becomes of a process that was told to end?
 */
static bool
may_have_greater_reason(int sqlerrcode)
{
	switch (sqlerrcode)
	{
		case ERRCODE_ADMIN_SHUTDOWN:
		case ERRCODE_CANNOT_CONNECT_NOW:
		case ERRCODE_EXTERNAL_ROUTINE_EXCEPTION:
		case ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION:
			return true;
		default:
			return false;
	}
}

/*
 * Who it was that cancelled the backup.
 */
static void
tell_who_cancelled(const BbgwBackup *backup, BbgwError *error)
{
	NameData	role;
	int			pid;
	bool		cancelled;

	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	cancelled = backup->cancelled;
	role = backup->cancelled_by;
	pid = backup->cancelled_by_pid;
	LWLockRelease(bbgw_shared->lock);

	strlcpy(error->message, "the backup was cancelled", sizeof(error->message));
	if (cancelled)
		snprintf(error->detail, sizeof(error->detail),
				 "By role \"%s\", in the process with PID %d.",
				 NameStr(role), pid);
	else
		strlcpy(error->detail,
				"By a signal to one of its processes, such as that of pg_cancel_backend().",
				sizeof(error->detail));
	error->hint[0] = error->context[0] = '\0';
}

static void
set_error(BbgwBackup *backup, const BbgwError *error)
{
	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	backup->error = *error;
	LWLockRelease(bbgw_shared->lock);
}

/*
 * Notes the reason why a backup has failed with an error.  The caller is the
 * leader.  Raises nothing.
 */
void
bbgw_reason_error(BbgwBackup *backup, const ErrorData *edata)
{
	BbgwError	error;

	bbgw_error_capture(&error, edata);
	if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED)
		tell_who_cancelled(backup, &error);
	else if (may_have_greater_reason(edata->sqlerrcode) &&
			 find_greater_reason(backup, &error))
	{
		/* what was seen of it */
		BbgwError	seen;

		bbgw_error_capture(&seen, edata);
		snprintf(error.detail, sizeof(error.detail), "%s%s%s", seen.message,
				 seen.detail[0] ? ": " : "", seen.detail);
	}
	set_error(backup, &error);
}

/*
 * Notes the reason why the leader, which is the caller, was told to end.
 * Raises nothing.
 */
void
bbgw_reason_terminated(BbgwBackup *backup)
{
	BbgwError	error = {0};

	if (!find_greater_reason(backup, &error))
	{
		error.sqlerrcode = ERRCODE_ADMIN_SHUTDOWN;
		strlcpy(error.message, "the leader of the backup was terminated",
				sizeof(error.message));
		strlcpy(error.detail,
				"By a signal, such as that of pg_terminate_backend().",
				sizeof(error.detail));
		strlcpy(error.hint, "More details may be available in the server log.",
				sizeof(error.hint));
	}
	set_error(backup, &error);
}
