/*-------------------------------------------------------------------------
 *
 * plan_large_objects.c
 *	  Units of large objects.
 *
 * All large objects, by OID, are cut into ranges of about equal work, for the
 * workers to share.  Work is to write bytes, and to make files.  How many bytes
 * it will be the index of pg_largeobject tells, by the number of the last page of
 * each.  There may be many millions, of which only ranges are remembered; these
 * get longer when they become too many.
 *
 * If somebody has the catalog locked and does not let go of it, the leader does
 * not wait: it has to look after those who do.  Then the rest is one range,
 * whatever is in it.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_largeobject.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/wait_event.h"

#include "bgworker.h"
#include "copy/object_rows.h"
#include "copy/plan_large_objects.h"

/* ranges that are remembered, at most */
#define MAX_RANGES 4096

/* a worker has about so many units to read, of at most so much work */
#define UNITS_PER_JOB 16
#define MAX_UNIT_WORK ((uint64) 1024 * 1024 * 1024)

/* to make a file is work as for so many bytes */
#define FILE_WORK (64 * 1024)

/* how often, and how long, a lock is asked for, in ms */
#define LOCK_TRIES 10
#define LOCK_NAP   10

static uint64
range_work(const BbgwObjectRange *range)
{
	return range->bytes + range->nobjects * FILE_WORK;
}

/*
 * Joins neighbours as long as that makes no more work than "limit".
 */
static int
join_ranges(BbgwObjectRange *ranges, int n, uint64 limit)
{
	int			last = 0;

	for (int i = 1; i < n; i++)
		if (range_work(&ranges[last]) + range_work(&ranges[i]) <= limit)
		{
			ranges[last].last = ranges[i].last;
			ranges[last].bytes += ranges[i].bytes;
			ranges[last].nobjects += ranges[i].nobjects;
		}
		else
			ranges[++last] = ranges[i];
	return n == 0 ? 0 : last + 1;
}

/*
 * Finds some more large objects.  Returns false if that was not possible.
 */
static bool
find_objects(BbgwObjectPosition *position, Oid *oids, int *n, bool *more)
{
	for (int i = 0; i < LOCK_TRIES; i++)
	{
		BbgwObjectRows result = bbgw_object_oids(position, OID_MAX, oids, n,
												 false);

		*more = result != BBGW_ROWS_ALL;
		if (result != BBGW_ROWS_LOCKED)
			return true;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOCK_NAP, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		bbgw_bgworker_pause();
	}
	return false;
}

static void
find_sizes(const Oid *oids, int n, uint64 *sizes)
{
	memset(sizes, 0, n * sizeof(uint64));
	for (int i = 0; i < n;)
	{
		int			looked = bbgw_object_sizes(oids + i, n - i, sizes + i);

		bbgw_bgworker_pause();
		if (looked == 0)
			break;
		i += looked;
	}
}

/*
 * Divides all large objects for "jobs" workers.  Returns the number of ranges,
 * and in *result these, palloc'd.  If others have the catalog locked, what could
 * not be looked at is one range if it must be "surely"; or else there are none.
 *
 * The caller is as of S and has it as active snapshot.
 */
int
bbgw_plan_large_objects(int jobs, bool surely, BbgwObjectRange **result)
{
	BbgwObjectRange *ranges = palloc_array(BbgwObjectRange, MAX_RANGES + 1);
	BbgwObjectPosition position = {.oid = 1};
	uint64		work = 0;
	uint64		limit = 0;
	int			nranges = 0;
	bool		more = true;

	while (more)
	{
		Oid			oids[BBGW_MAX_OBJECTS];
		uint64		sizes[BBGW_MAX_OBJECTS];
		int			n;

		if (!find_objects(&position, oids, &n, &more))
		{
			if (!surely)
			{
				pfree(ranges);
				return 0;
			}
			ranges[nranges++] = (BbgwObjectRange)
			{
				.first = (Oid) position.oid,
					.last = OID_MAX
			};
			break;
		}
		find_sizes(oids, n, sizes);
		for (int i = 0; i < n; i++)
		{
			BbgwObjectRange *range = &ranges[nranges];

			range->first = range->last = oids[i];
			range->bytes = sizes[i];
			range->nobjects = 1;
			work += range_work(range);
			nranges++;
			if (nranges > 1)
				nranges += join_ranges(range - 1, 2, limit) - 2;
			if (nranges == MAX_RANGES)
			{
				limit = 4 * work / MAX_RANGES;
				nranges = join_ranges(ranges, nranges, limit);
			}
		}
	}

	limit = Min(work / ((uint64) jobs * UNITS_PER_JOB), MAX_UNIT_WORK);
	*result = ranges;
	return join_ranges(ranges, nranges, limit);
}

/*
 * Makes the units of these ranges, and what stands for a table.
 */
void
bbgw_plan_fill_large_objects(const BbgwObjectRange *ranges, int nranges,
							 BbgwTable *table, uint32 number, BbgwUnit *units)
{
	memset(table, 0, sizeof(BbgwTable));
	namestrcpy(&table->nspname, "pg_catalog");
	namestrcpy(&table->relname, "pg_largeobject");
	table->heap.oid = LargeObjectRelationId;
	table->is_catalog = true;
	table->is_large_objects = true;
	table->nunits = nranges;
	pg_atomic_init_u32(&table->nunits_done, 0);
	for (int i = 0; i < nranges; i++)
	{
		BbgwUnit   *unit = &units[i];

		memset(unit, 0, sizeof(BbgwUnit));
		unit->table = number;
		unit->slice = i;
		unit->first_object = ranges[i].first;
		unit->last_object = ranges[i].last;
		unit->bytes = ranges[i].bytes;
		pg_atomic_init_flag(&unit->taken);
		table->bytes += unit->bytes;
	}
}
