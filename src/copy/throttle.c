/*-------------------------------------------------------------------------
 *
 * throttle.c
 *	  max_rate: how fast all workers of a backup together may read.
 *
 * The workers share a clock that says when the bytes asked for so far would
 * have been read at exactly max_rate.  Who has read something moves the clock
 * on, and then, when that is convenient, sleeps until real time has come
 * there.  A clock that lies behind is first set to the present, so that time
 * not used is not made up for in a burst.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "copy/throttle.h"

/*
 * Tells that the calling worker of a backup with max_rate has read "bytes".
 * Returns until when it has to sleep, as a timestamp.
 */
uint64
bbgw_throttle_book(BbgwBackup *backup, uint64 bytes)
{
	uint64		now;
	uint64		cost;
	uint64		due;
	uint64		clock;

	now = (uint64) GetCurrentTimestamp();
	cost = (uint64) ((double) bytes * USECS_PER_SEC / backup->order.max_rate);
	clock = pg_atomic_read_u64(&backup->throttle_clock);
	do
	{
		due = Max(clock, now) + cost;
	} while (!pg_atomic_compare_exchange_u64(&backup->throttle_clock, &clock,
											 due));
	return due;
}

/*
 * Sleeps until then (0: not at all), but no longer than "max" microseconds.
 * Returns false if it is that late already.  Serves interrupts.
 */
bool
bbgw_throttle_nap(uint64 due, long max)
{
	uint64		now;

	if (due == 0)
		return false;
	now = (uint64) GetCurrentTimestamp();
	/* latches count in milliseconds */
	if (due < now + 1000)
		return false;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 (long) Min(due - now, (uint64) max) / 1000,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return true;
}
