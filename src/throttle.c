/*-------------------------------------------------------------------------
 *
 * throttle.c
 *	  max_rate: how fast all workers of a backup together may read.
 *
 * The workers share a clock that says when the bytes asked for so far would
 * have been read at exactly max_rate.  Who has read something moves the clock
 * on, and then sleeps until real time has come there.  A clock that lies behind
 * is first set to the present, so that time not used is not made up for in a
 * burst.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "throttle.h"

/* longest sleep before the worker looks around again, in ms */
#define MAX_NAP 100

/*
 * Tells that the calling worker has read "bytes", and sleeps as long as need be.
 * Serves interrupts.
 */
void
bbgw_throttle(BbgwBackup *backup, uint64 bytes)
{
	uint64		now = (uint64) GetCurrentTimestamp();
	uint64		cost;
	uint64		due;
	uint64		clock;

	if (backup->order.max_rate == 0)
		return;

	cost = (uint64) ((double) bytes * USECS_PER_SEC / backup->order.max_rate);
	clock = pg_atomic_read_u64(&backup->throttle_clock);
	do
	{
		due = Max(clock, now) + cost;
	} while (!pg_atomic_compare_exchange_u64(&backup->throttle_clock, &clock, due));

	while ((now = (uint64) GetCurrentTimestamp()) < due)
	{
		long		ms = (long) Min((due - now) / 1000, MAX_NAP);

		if (ms == 0)
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 ms, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}
