/*-------------------------------------------------------------------------
 *
 * shards.h
 *	  Are there tables whose rows are somewhere else?
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_SHARDS_H
#define BBGW_SHARDS_H

#include "backup_bgw.h"

extern void bbgw_shards_check(void);

#endif							/* BBGW_SHARDS_H */
