/*-------------------------------------------------------------------------
 *
 * asof_session.c
 *	  SET TRANSACTION SNAPSHOT 'backup_bgw:<id>': sessions as of a backup's S.
 *
 * pg_dump --snapshot sends exactly this statement, and then dumps every object
 * of the database as of S without knowing it.  The session stays as of S until
 * the transaction ends.
 *
 * The backup's own pg_dump is known by a token in the snapshot's name,
 * 'backup_bgw:<id>:<token>', which is good for one session.  It may be seen
 * afterwards in lists of processes and of statements.  Every other session is
 * a user's.  The two differ in this:
 *
 * - COPY relation TO returns no rows to pg_dump: the table workers read tables,
 *	 pg_dump only says which (asof_statements.c);
 *
 * - it ends when pg_dump has written what it is needed for (asof_dump.c);
 *
 * - nobody need wait for pg_dump's session, which takes as long as to read all
 *	 catalogs.  The backup is not through with any file before pg_dump is.  A user's files may be unlinked at any time: so cursors keep
 *	 their locks, and what was read is checked (asof_files.c).
 *
 * As of S old roles, memberships and privileges rule.  So that no right comes
 * back that was taken away, a session as of S is for roles that are superusers
 * now, whatever moment that is, and were so at S: to them no privilege applies
 * anyway.  And so that no right is taken back to the present, the session and
 * its role stay what they are.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"

#include "shmem.h"
#include "snapshot/asof.h"
#include "snapshot/asof_session.h"

BbgwAsofSession bbgw_asof_session;

/*
 * Takes the name of a snapshot apart, less the prefix: '<id>' or
 * '<id>:<token>'.  There is one way only to write an id.
 */
static int64
parse_name(const char *name, const char **token)
{
	size_t		digits = strspn(name, "0123456789");
	int64		id;

	*token = NULL;
	errno = 0;
	id = strtoi64(name, NULL, 10);
	if (name[digits] == ':' &&
		strspn(name + digits + 1, "0123456789abcdef") == BBGW_TOKEN_LENGTH &&
		name[digits + 1 + BBGW_TOKEN_LENGTH] == '\0')
		*token = name + digits + 1;
	if (errno != 0 || digits == 0 || name[0] == '0' ||
		(name[digits] != '\0' && *token == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid backup id in snapshot identifier: \"%s%s\"",
						BBGW_SNAPSHOT_PREFIX, name)));
	return id;
}

pg_noreturn static void
not_allowed(bool dumps)
{
	if (dumps)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("pg_dump must connect as a superuser to make a backup")));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to use the snapshot of a backup"),
			 errdetail("Only roles that are superusers now and were superusers at the snapshot may use it.")));
}

/*
 * Raises an error if the session is not the one that entered.
 */
static void
check_identity(void)
{
	if (GetSessionUserId() != bbgw_asof_session.session_user ||
		GetOuterUserId() != bbgw_asof_session.user)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot set a role in a transaction that uses the snapshot of a backup")));
}

/*
 * A role that was set in spite of all goes back with the transaction.
 */
static void
session_xact_callback(XactEvent event, void *arg)
{
	if (bbgw_asof_session.backup_id == 0)
		return;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			check_identity();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
			memset(&bbgw_asof_session, 0, sizeof(bbgw_asof_session));
			break;
		default:
			break;
	}
}

/*
 * Brings the session as of the S of the backup that "name" names.
 *
 * The conditions are those of the server's own SET TRANSACTION SNAPSHOT, plus
 * the privilege, as S shows things that no privilege protects.
 */
void
bbgw_asof_session_enter(const char *name, bool toplevel)
{
	static bool callback_registered = false;
	const char *token;
	int64		id;
	BbgwBackup *backup;
	dsm_handle	snapshot = DSM_HANDLE_INVALID;
	int			leader_pid = 0;
	Oid			dboid = InvalidOid;
	bool		dumps = false;
	bool		own_files = false;

	RequireTransactionBlock(toplevel, "SET TRANSACTION SNAPSHOT");
	if (!toplevel || FirstSnapshotSet || IsSubTransaction() ||
		GetTopTransactionIdIfAny() != InvalidTransactionId ||
		bbgw_asof_active())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("SET TRANSACTION SNAPSHOT must be called before any query")));
	if (!IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a snapshot-importing transaction must have isolation level SERIALIZABLE or REPEATABLE READ")));

	id = parse_name(name, &token);
	if (!superuser())
		not_allowed(token != NULL);

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	backup = bbgw_backup_find(id);
	if (backup)
	{
		snapshot = backup->snapshot;
		leader_pid = backup->leader_pid;
		dboid = backup->order.dboid;
		own_files = backup->own_files;
		if (token && strcmp(token, backup->dump_token) == 0)
		{
			dumps = true;
			backup->dump_token[0] = '\0';
		}
	}
	LWLockRelease(bbgw_shared->lock);

	if (snapshot == DSM_HANDLE_INVALID)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("backup " INT64_FORMAT " is not running", id)));
	if (dboid != MyDatabaseId)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot use the snapshot of a backup of a different database")));
	if (token && !dumps)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("backup " INT64_FORMAT " is not waiting for a pg_dump with this snapshot identifier", id),
				 errhint("To read as of the snapshot, use \"%s" INT64_FORMAT "\".",
						 BBGW_SNAPSHOT_PREFIX, id)));

	if (!callback_registered)
	{
		RegisterXactCallback(session_xact_callback, NULL);
		bbgw_asof_planner_enter();
		callback_registered = true;
	}
	bbgw_asof_settings();
	bbgw_asof_enter(snapshot, leader_pid, own_files, dumps);
	if (!superuser() || !bbgw_present_superuser(GetUserId()))
		not_allowed(dumps);

	memset(&bbgw_asof_session, 0, sizeof(bbgw_asof_session));
	bbgw_asof_session.backup_id = id;
	bbgw_asof_session.dumps = dumps;
	bbgw_asof_session.session_user = GetSessionUserId();
	bbgw_asof_session.user = GetUserId();
	XactReadOnly = true;

	/* the leader waits for it */
	if (dumps)
	{
		LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
		backup = bbgw_backup_find(id);
		if (backup)
		{
			PGPROC	   *leader = BackendPidGetProc(leader_pid);

			backup->dump_pid = MyProcPid;
			if (leader)
				SetLatch(&leader->procLatch);
		}
		LWLockRelease(bbgw_shared->lock);
	}
}

/*
 * What is to be done in a session as of S before each statement, and each
 * function of the fast-path protocol.  Raises an error if the role of a user
 * is no longer a superuser.
 */
void
bbgw_asof_session_begin_statement(void)
{
	if (!bbgw_asof_active() || !IsTransactionState())
		return;

	/* what SET has changed; statistics: see bbgw_asof_settings() */
	XactReadOnly = true;
	if (pgstat_track_counts)
		bbgw_asof_settings();

	if (bbgw_asof_session.nesting == 0 && BBGW_ASOF_USER() &&
		!bbgw_present_superuser(bbgw_asof_session.user))
		not_allowed(false);
}

/*
 * Raises an error if a session as of S has done what it must not do, before it
 * can do more of it.  To be called after each statement; the last word is the
 * callbacks' at the end of the transaction.
 */
void
bbgw_asof_session_check(void)
{
	if (!bbgw_asof_active() || !IsTransactionState())
		return;

	bbgw_asof_check_unwritten();
	if (bbgw_asof_session.backup_id != 0)
		check_identity();
}

/*
 * Gives locks back if no statement is under way as of S.  "portal" is the
 * resource owner of a cursor at rest, or NULL; it gives back its own, too,
 * unless it has to keep them.
 */
void
bbgw_asof_session_rest(ResourceOwner portal)
{
	if (bbgw_asof_session.nesting > 0 || !bbgw_asof_active() ||
		!IsTransactionState())
		return;

	bbgw_release_cursor_locks(BBGW_ASOF_KEEPS_CURSOR_LOCKS() ? NULL : portal);
}

/*
 * Installs the hooks of sessions as of S.  To be called from _PG_init() at
 * preload time.
 */
void
bbgw_asof_session_init(void)
{
	bbgw_asof_statements_init();
	bbgw_asof_functions_init();
	bbgw_asof_planner_init();
	bbgw_asof_columns_init();
}
