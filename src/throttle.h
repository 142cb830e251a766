/*-------------------------------------------------------------------------
 *
 * throttle.h
 *	  max_rate: how fast all workers of a backup together may read.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_THROTTLE_H
#define BBGW_THROTTLE_H

#include "shmem.h"

extern void bbgw_throttle(BbgwBackup *backup, uint64 bytes);

#endif							/* BBGW_THROTTLE_H */
