/*-------------------------------------------------------------------------
 *
 * readers.h
 *	  Sessions that may have pages of preserved files pinned.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_READERS_H
#define BBGW_READERS_H

#include "backup_bgw.h"

extern void bbgw_readers_join(void);
extern bool bbgw_readers_exclude(void);
extern void bbgw_readers_readmit(void);

#endif							/* BBGW_READERS_H */
