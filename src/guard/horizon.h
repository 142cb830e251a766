/*-------------------------------------------------------------------------
 *
 * horizon.h
 *	  The commit log that preserved files need.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_HORIZON_H
#define BBGW_HORIZON_H

#include "backup_bgw.h"

extern void bbgw_horizon_hold(void);
extern bool bbgw_horizon_held(void);
extern void bbgw_horizon_release(void);

#endif							/* BBGW_HORIZON_H */
