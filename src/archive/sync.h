/*-------------------------------------------------------------------------
 *
 * sync.h
 *	  Makes files durable: many at once, and directories.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_SYNC_H
#define BBGW_SYNC_H

#include "backup_bgw.h"

extern bool bbgw_sync_all_is_safe(int fd);
extern bool bbgw_sync_all(int fd);
extern bool bbgw_sync_directory(int fd);

#endif							/* BBGW_SYNC_H */
