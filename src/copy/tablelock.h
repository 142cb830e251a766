/*-------------------------------------------------------------------------
 *
 * tablelock.h
 *	  The locks of the table that a worker reads, given up when others want them.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_TABLELOCK_H
#define BBGW_TABLELOCK_H

#include "copy/plan.h"

extern bool bbgw_tablelock_try(const BbgwTable *table);
extern bool bbgw_tablelock_catalog(Oid catalog, Oid index, bool wait);
extern bool bbgw_tablelock_held(void);
extern bool bbgw_tablelock_wanted(void);
extern void bbgw_tablelock_release(void);
extern bool bbgw_tablelock_vacuumed(const BbgwTable *table);

#endif							/* BBGW_TABLELOCK_H */
