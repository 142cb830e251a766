/*-------------------------------------------------------------------------
 *
 * privileges.c
 *	  Who may use the extension.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"

#include "privileges.h"
#include "shmem.h"

/*
 * Raises an error unless the library was loaded at server start.
 */
void
bbgw_require_preload(void)
{
	if (bbgw_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("backup_bgw must be loaded via shared_preload_libraries"),
				 errhint("Add backup_bgw to shared_preload_libraries and restart the server.")));
}

/*
 * May this role start backups, and read as of their snapshots?  A backup reads
 * everything in the database and writes files on the server.  Needs a
 * transaction.
 */
bool
bbgw_role_may_backup(Oid roleid)
{
	return superuser_arg(roleid) ||
		(has_privs_of_role(roleid, ROLE_PG_READ_ALL_DATA) &&
		 has_privs_of_role(roleid, ROLE_PG_WRITE_SERVER_FILES));
}

/*
 * May the current user know of a backup that this role has started?  As with
 * pg_stat_activity, it is for those who have the role's privileges, and for
 * pg_read_all_stats.  Needs a transaction.
 */
bool
bbgw_role_may_see(Oid roleid)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS) ||
		(OidIsValid(roleid) && has_privs_of_role(GetUserId(), roleid));
}

/*
 * Raises an error unless the current user may start backups.
 */
void
bbgw_require_privilege(void)
{
	if (!bbgw_role_may_backup(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to make backups"),
				 errdetail("Only superusers, and roles with privileges of both the \"%s\" and the \"%s\" role, may make backups.",
						   "pg_read_all_data", "pg_write_server_files")));
}
