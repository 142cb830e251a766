/*-------------------------------------------------------------------------
 *
 * pgdump.h
 *	  pg_dump as a child process of the leader.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_PGDUMP_H
#define BBGW_PGDUMP_H

#include "backup/request.h"

extern char *bbgw_pgdump_find(void);
extern void bbgw_pgdump_start(const BbgwBackup *backup,
							  const BbgwRequest *request,
							  const char *token, const char *directory);
extern bool bbgw_pgdump_poll(long timeout);
extern void bbgw_pgdump_forgive(const char *error);
extern bool bbgw_pgdump_deadlocked(void);
extern void bbgw_pgdump_result(bool connected);
extern void bbgw_pgdump_kill(void);

/* session_options.c */
extern char *bbgw_session_options(void);

#endif							/* BBGW_PGDUMP_H */
