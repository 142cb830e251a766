/*-------------------------------------------------------------------------
 *
 * guarded_snapshot.h
 *	  Takes S, with all files that belong to it guarded.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_GUARDED_SNAPSHOT_H
#define BBGW_GUARDED_SNAPSHOT_H

#include "backup/request.h"
#include "guard/guard_set.h"

extern BbgwNeededSet *bbgw_guarded_snapshot_take(BbgwBackup *backup,
												 const BbgwRequestSettings *settings,
												 void (*nap) (long ms));

#endif							/* BBGW_GUARDED_SNAPSHOT_H */
