/*-------------------------------------------------------------------------
 *
 * history.h
 *	  Ended backups, in files below $PGDATA/backup_bgw/.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_HISTORY_H
#define BBGW_HISTORY_H

#include "shmem.h"

#include "nodes/pg_list.h"

/* What there is to say about a backup that has begun */
typedef struct BbgwHistoryEntry
{
	char	   *json;			/* an object, valid in the database's encoding */
	const char *status;			/* "running", "completed", "failed",
								 * "cancelled", or "unknown" if damaged */
	Oid			roleid;			/* who started it; InvalidOid: not known */
	const char *damage;			/* what is wrong with the record; NULL:
								 * nothing */
} BbgwHistoryEntry;

extern void bbgw_history_init(void);
extern int64 bbgw_history_last_id(void);
extern bool bbgw_history_write(const BbgwBackup *backup, const char *status,
							   int elevel);
extern void bbgw_history_remove(int64 id);
extern void bbgw_history_prune(void);
extern List *bbgw_history_ids(void);
extern BbgwHistoryEntry *bbgw_history_read(int64 id);

/* history_file.c */
extern bool bbgw_history_file_write(int64 id, const char *json, int elevel);
extern char *bbgw_history_file_read(int64 id, const char **damage);
extern void bbgw_history_file_clean(void);

#endif							/* BBGW_HISTORY_H */
