/*-------------------------------------------------------------------------
 *
 * asof_session.h
 *	  What the parts of a client's session as of S share.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_ASOF_SESSION_H
#define BBGW_ASOF_SESSION_H

#include "backup_bgw.h"

#include "executor/execdesc.h"
#include "utils/resowner.h"

#include "snapshot/catalog_files.h"

/*
 * The session in its present transaction.  In background workers, which are as
 * of S without being anybody's session, only "nesting" is used.
 */
typedef struct BbgwAsofSession
{
	int64		backup_id;		/* whose S it is; 0: not a session as of S */
	bool		dumps;			/* it is the session of the backup's pg_dump */
	bool		asked;			/* ... which may go on to the data */
	Oid			session_user;	/* as they were on entering */
	Oid			user;
	int			nesting;		/* statements under way */
} BbgwAsofSession;

extern BbgwAsofSession bbgw_asof_session;

/* Is it a session as of S, of a user? */
#define BBGW_ASOF_USER() \
	(bbgw_asof_session.backup_id != 0 && !bbgw_asof_session.dumps)

/*
 * Are cursors to keep the locks on what they read?  Those of users, so that no
 * page is unlinked that they have pinned; and all that may read catalogs from
 * their present files, which are safe under a lock only (catalog_files.c).
 */
#define BBGW_ASOF_KEEPS_CURSOR_LOCKS() \
	(BBGW_ASOF_USER() || bbgw_catalog_files_present())

/* asof_session.c */
extern void bbgw_asof_session_enter(const char *name, bool toplevel);
extern void bbgw_asof_session_begin_statement(void);
extern void bbgw_asof_session_check(void);
extern void bbgw_asof_session_rest(ResourceOwner portal);

/* asof_dump.c */
extern void bbgw_asof_dump_data(bool large_objects);

/* asof_statements.c */
extern void bbgw_asof_statements_init(void);

/* asof_functions.c */
extern void bbgw_asof_functions_init(void);

/* asof_planner.c */
extern void bbgw_asof_planner_enter(void);
extern void bbgw_asof_run_alone(QueryDesc *queryDesc);
extern void bbgw_asof_planner_init(void);

/* asof_columns.c */
extern void bbgw_asof_columns_init(void);

/* asof_files.c */
extern void bbgw_asof_check_file(Oid relid, int64 backup_id);
extern void bbgw_asof_check_files(List *range_table, int64 backup_id);

/* asof_present.c */
extern RelFileNumber bbgw_present_file(Oid relid);
extern bool bbgw_present_superuser(Oid roleid);

#endif							/* BBGW_ASOF_SESSION_H */
