/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  A table worker, a background worker.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_WORKER_H
#define BBGW_WORKER_H

#include "backup_bgw.h"

/* to be registered with: its argument says which backup and which worker */
#define BBGW_WORKER_MAIN "bbgw_worker_main"

extern PGDLLEXPORT void bbgw_worker_main(Datum arg);

#endif							/* BBGW_WORKER_H */
