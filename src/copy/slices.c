/*-------------------------------------------------------------------------
 *
 * slices.c
 *	  Where a big table is cut.
 *
 * Slices of a table should be of equal work, for the workers that read them and
 * for the jobs of pg_restore that load them.  Rows are not spread evenly over a
 * table's blocks: in one that serves as a queue they may all be at its end.
 * Where they are not, the free space map tells, once VACUUM has been there.  It
 * is looked at in some places.  It may be wrong, or not as of S; then slices are
 * unequal, and no more than that.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_tablespace_d.h"
#include "miscadmin.h"
#include "storage/freespace.h"
#include "utils/lsyscache.h"

#include "bgworker.h"
#include "copy/slices.h"
#include "copy/tablelock.h"

/*
 * A worker has this many slices of a table to read, so that at the end none has
 * much more left than others; but smaller than this they need not be.  Nor need
 * they be more: each is an entry of the table of contents, and pg_restore
 * compares those of two tables one by one.
 */
#define SLICES_PER_JOB	 4
#define MIN_SLICE_BYTES	 (32 * 1024 * 1024)
#define MAX_SLICES		 1024

/*
 * Nor is a smaller table worth it, whoever has nothing to do.  Several jobs of
 * pg_restore put its rows in another order, which is not nice to compare.
 */
#define MIN_CUT_BYTES (400 * 1024 * 1024)

/* the free space map is looked at in so many places */
#define MAX_PROBES 2048

/* a block without rows is read, too, and that is work as for so many bytes */
#define BLOCK_WORK (BLCKSZ / 8)

/*
 * Into how many slices a table is to be cut, for "jobs" workers that read
 * "total" bytes, this table's among them.  More than 1 if it has more than
 * slice_size blocks, or if it is more than one worker's part, so that the others
 * would have to wait for the one that has it.  Slices have slice_size blocks at
 * most, on average and unless they would be too many; if that is 0, there are
 * none.
 */
uint32
bbgw_slices_count(const BbgwTable *table, int slice_size, int jobs,
				  uint64 total)
{
	/* what is out of line is work, too */
	uint32		worth = (uint32) Min(table->bytes / MIN_SLICE_BYTES, MAX_SLICES);
	bool		is_most = table->bytes >= MIN_CUT_BYTES &&
	table->bytes > total / jobs;
	uint32		n;

	if (!table->is_heap || table->is_catalog || slice_size == 0 ||
		!(table->nblocks > (BlockNumber) slice_size || is_most))
		return 1;
	n = (Max(table->nblocks, 1) - 1) / slice_size + 1;
	n = Max(n, Min((uint32) jobs * SLICES_PER_JOB, worth));
	n = Min(n, MAX_SLICES);
	return Min(n, Max(table->nblocks, 1));
}

static BlockNumber
fraction(BlockNumber nblocks, uint32 numerator, uint32 denominator)
{
	return (BlockNumber) ((uint64) nblocks * numerator / denominator);
}

/*
 * Estimates the work in each of "nprobes" equal parts of a table, from the
 * free space map.  Without a lock that VACUUM would not be kept away by, the map
 * might be cut off just then; so who wants the table, or has it, leaves us with
 * what we know.  Nothing known is nothing free.
 */
static void
estimate_work(const BbgwTable *table, uint32 nprobes, uint32 *work)
{
	RelFileLocator locator;
	Relation	rel;
	uint32		i = 0;

	for (uint32 part = 0; part < nprobes; part++)
		work[part] = BLCKSZ + BLOCK_WORK;
	if (!bbgw_tablelock_try(table))
		return;

	locator.spcOid = table->heap.tablespace;
	locator.dbOid = MyDatabaseId;
	locator.relNumber = table->heap.filenumber;
	rel = bbgw_fake_relation(locator);
	/* its buffers are to be known as what they are */
	rel->rd_rel->relpersistence = get_rel_persistence(table->heap.oid);
	while (i < nprobes && !bbgw_tablelock_wanted())
	{
		/* in the middle of the part */
		BlockNumber block = fraction(table->nblocks, 2 * i + 1, 2 * nprobes);
		Size		space = GetRecordedFreeSpace(rel, block);

		bbgw_bgworker_pause();
		work[i++] -= (uint32) Min(space, BLCKSZ);
	}
	FreeFakeRelcacheEntry(rel);
	bbgw_tablelock_release();
}

/*
 * Cuts a table into table->nunits slices of about equal work.  ends[] gets the
 * block behind the last one of each.  Every slice has a block at least, if
 * there are several.
 *
 * The caller is as of S.  Locks the table for a moment if that is possible at
 * once.
 */
void
bbgw_slices_cut(const BbgwTable *table, BlockNumber *ends)
{
	uint32		n = table->nunits;
	uint32		nprobes = Min(table->nblocks, MAX_PROBES);
	uint32	   *work;
	uint64		total = 0;
	uint64		before = 0;
	uint32		slice = 0;

	ends[n - 1] = table->nblocks;
	if (n == 1)
		return;

	work = palloc_array(uint32, nprobes);
	estimate_work(table, nprobes, work);
	for (uint32 part = 0; part < nprobes; part++)
		total += work[part];

	for (uint32 part = 0; part < nprobes && slice < n - 1; part++)
	{
		BlockNumber start = fraction(table->nblocks, part, nprobes);
		BlockNumber end = fraction(table->nblocks, part + 1, nprobes);

		/* within a part, work is spread evenly */
		while (slice < n - 1 &&
			   total * (slice + 1) / n < before + work[part])
		{
			uint64		rest = total * (slice + 1) / n - before;

			ends[slice] = start +
				(BlockNumber) ((double) rest / work[part] * (end - start));
			slice++;
		}
		before += work[part];
	}

	for (uint32 i = 0; i < n - 1; i++)
	{
		ends[i] = Max(ends[i], i == 0 ? 1 : ends[i - 1] + 1);
		ends[i] = Min(ends[i], table->nblocks - (n - 1 - i));
	}
	pfree(work);
}
