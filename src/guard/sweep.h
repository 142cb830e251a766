/*-------------------------------------------------------------------------
 *
 * sweep.h
 *	  Unlinks preserved files that no backup needs any more.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_SWEEP_H
#define BBGW_SWEEP_H

#include "backup_bgw.h"

extern void bbgw_sweep(void);
extern bool bbgw_sweep_later(Oid database);
extern void bbgw_sweep_request(void);
extern void bbgw_sweep_everywhere(void);
extern void bbgw_sweep_init(void);

/* entry points of background workers */
extern PGDLLEXPORT void bbgw_sweeper_main(Datum arg);
extern PGDLLEXPORT void bbgw_late_sweep_main(Datum arg);
extern PGDLLEXPORT void bbgw_startup_sweep_main(Datum arg);

#endif							/* BBGW_SWEEP_H */
