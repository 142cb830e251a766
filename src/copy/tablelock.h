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

#include "portability/instr_time.h"

#include "copy/plan.h"

/* how often those who hold locks look whether somebody waits, in microseconds */
#define BBGW_LOOK_INTERVAL 2000

/*
 * Is it time to look, as it was last done at *looked?  If so, notes that.
 */
static inline bool
bbgw_time_to_look(instr_time *looked)
{
	instr_time	now;
	instr_time	since;

	INSTR_TIME_SET_CURRENT(now);
	since = now;
	INSTR_TIME_SUBTRACT(since, *looked);
	if (INSTR_TIME_GET_MICROSEC(since) < BBGW_LOOK_INTERVAL)
		return false;
	*looked = now;
	return true;
}

extern bool bbgw_tablelock_try(const BbgwTable *table);
extern bool bbgw_tablelock_catalog(Oid catalog, Oid index, bool wait);
extern bool bbgw_tablelock_held(void);
extern bool bbgw_tablelock_wanted(void);
extern void bbgw_tablelock_release(void);
extern bool bbgw_tablelock_vacuumed(const BbgwTable *table);

#endif							/* BBGW_TABLELOCK_H */
