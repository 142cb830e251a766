/*-------------------------------------------------------------------------
 *
 * schema.h
 *	  The schema phase of a backup: pg_dump as of S.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_SCHEMA_H
#define BBGW_SCHEMA_H

#include "archive/archive.h"
#include "backup/request.h"

/* What pg_dump works for.  "check" is called again and again while it does, and
 * raises an error if the backup is to be given up. */
typedef struct BbgwSchemaRun
{
	BbgwBackup *backup;
	const BbgwRequest *request;
	BbgwArchive *archive;
	void		(*check) (void);
	int			tries;			/* so far; 0 at first */
	bool		ended;			/* this try's pg_dump, and was waited for */
	char		token[BBGW_TOKEN_LENGTH + 1];	/* of this try's pg_dump */
} BbgwSchemaRun;

extern void bbgw_schema_start(BbgwSchemaRun *run);
extern bool bbgw_schema_wait(BbgwSchemaRun *run);
extern void bbgw_schema_go_on(BbgwSchemaRun *run);
extern void bbgw_schema_stop(BbgwSchemaRun *run);

#endif							/* BBGW_SCHEMA_H */
