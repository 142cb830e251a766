/*-------------------------------------------------------------------------
 *
 * pending.h
 *	  Takes files off the list of those that a transaction unlinks.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_PENDING_H
#define BBGW_PENDING_H

#include "backup_bgw.h"

extern int	bbgw_compare_locators(const void *a, const void *b);
extern void bbgw_pending_add(RelFileLocator locator);
extern void bbgw_pending_remove(RelFileLocator *files, int n);

#endif							/* BBGW_PENDING_H */
