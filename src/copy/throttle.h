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

extern uint64 bbgw_throttle_book(BbgwBackup *backup, uint64 bytes);
extern bool bbgw_throttle_nap(uint64 due, long max);

#endif							/* BBGW_THROTTLE_H */
