/*-------------------------------------------------------------------------
 *
 * leader.h
 *	  The leader of a backup, a background worker.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_LEADER_H
#define BBGW_LEADER_H

#include "backup_bgw.h"

/* to be registered with: its argument is the number of the backup's slot */
#define BBGW_LEADER_MAIN "bbgw_leader_main"

extern PGDLLEXPORT void bbgw_leader_main(Datum arg);

#endif							/* BBGW_LEADER_H */
