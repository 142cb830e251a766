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

extern int64 bbgw_history_last_id(void);
extern bool bbgw_history_write(const BbgwBackup *backup, const char *status,
							   int elevel);
extern void bbgw_history_remove(int64 id);
extern void bbgw_history_prune(void);
extern List *bbgw_history_ids(void);
extern char *bbgw_history_read(int64 id);

#endif							/* BBGW_HISTORY_H */
