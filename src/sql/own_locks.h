/*-------------------------------------------------------------------------
 *
 * own_locks.h
 *	  What the caller of start_backup() has locked.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_OWN_LOCKS_H
#define BBGW_OWN_LOCKS_H

#include "backup_bgw.h"

extern void bbgw_require_no_catalog_locked(void);

#endif							/* BBGW_OWN_LOCKS_H */
