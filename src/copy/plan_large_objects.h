/*-------------------------------------------------------------------------
 *
 * plan_large_objects.h
 *	  Units of large objects.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_PLAN_LARGE_OBJECTS_H
#define BBGW_PLAN_LARGE_OBJECTS_H

#include "copy/plan.h"

/* Large objects of these OIDs */
typedef struct BbgwObjectRange
{
	Oid			first;
	Oid			last;
	uint64		bytes;			/* in them, at most */
	uint64		nobjects;
} BbgwObjectRange;

extern int	bbgw_plan_large_objects(int jobs, bool surely,
									BbgwObjectRange **result);
extern void bbgw_plan_fill_large_objects(const BbgwObjectRange *ranges,
										 int nranges, BbgwTable *table,
										 uint32 number, BbgwUnit *units);

#endif							/* BBGW_PLAN_LARGE_OBJECTS_H */
