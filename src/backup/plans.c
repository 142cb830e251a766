/*-------------------------------------------------------------------------
 *
 * plans.c
 *	  What the table workers of the leader's backup are to read.
 *
 * There is a plan from the beginning, of the tables that pg_dump will want as far
 * as can be foreseen, and of large objects, so that workers need not wait for
 * pg_dump.  When that has ended the plan is put right: what is not wanted is
 * dropped, and what nobody foresaw makes a second plan.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "backup/plans.h"

/* a leader has one backup only */
static BbgwPlan *plans[BBGW_MAX_PLANS];
static dsm_handle plan_handles[BBGW_MAX_PLANS] =
{DSM_HANDLE_INVALID, DSM_HANDLE_INVALID};
static int	nplans = 0;

/*
 * Makes a plan for these tables, and for large objects if it is to have them.
 */
static BbgwPlan *
make_plan(const BbgwBackup *backup, const BbgwRequest *request,
		  ArrayType *relids, BbgwObjectsPlanned large_objects,
		  BbgwNeededSet *needed)
{
	dsm_segment *seg;

	seg = bbgw_plan_create(relids, large_objects,
						   request->settings.slice_size, backup->order.jobs,
						   needed);
	dsm_pin_mapping(seg);
	plan_handles[nplans] = dsm_segment_handle(seg);
	plans[nplans] = dsm_segment_address(seg);
	return plans[nplans++];
}

/*
 * Has the workers carry out the plans.  Progress is told in terms of these,
 * and of what pg_dump has written.
 */
static void
publish_plans(BbgwBackup *backup, uint64 ntables, uint64 dumped, bool settled)
{
	uint64		bytes = dumped;

	for (int i = 0; i < nplans; i++)
		bytes += plans[i]->bytes;

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	memcpy(backup->plans, plan_handles, sizeof(plan_handles));
	backup->tables_total = ntables;
	backup->bytes_total = bytes;
	if (backup->copying_at == 0)
		backup->copying_at = GetCurrentTimestamp();
	backup->settled = settled;
	if (settled)
		backup->phase = BBGW_PHASE_COPYING;
	LWLockRelease(bbgw_shared->lock);
	ConditionVariableBroadcast(&backup->cv);
}

/*
 * Makes the first plan.  If tables are to be read while pg_dump runs, the
 * workers begin.
 *
 * The leader is as of S, has it as active snapshot, and is not connected to SPI;
 * so for all of these.  Raises an error if a file of S is gone.
 */
void
bbgw_plans_foresee(BbgwBackup *backup, const BbgwRequest *request,
				   const BbgwSelection *selection, BbgwNeededSet *needed)
{
	BbgwPlan   *plan = make_plan(backup, request, bbgw_plan_foresee(selection),
								 BBGW_SELECTS_LARGE_OBJECTS(selection) ?
								 BBGW_OBJECTS_IF_UNLOCKED : BBGW_OBJECTS_NOT, needed);

	if (request->settings.overlap)
		publish_plans(backup, plan->ntables, 0, false);
}

/*
 * Do the workers read all that pg_dump wants?
 */
bool
bbgw_plans_cover(const BbgwToc *toc)
{
	return toc->nothers == 0 && bbgw_plan_missing(plans[0], toc) == NULL;
}

/*
 * pg_dump has ended, with this table of contents.  Puts the plan right, and gives
 * up all files that nobody will read any more.  Raises an error if pg_dump's
 * files are not those that it says, or a file of S is gone.
 */
void
bbgw_plans_settle(BbgwBackup *backup, const BbgwRequest *request,
				  const BbgwToc *toc, BbgwArchive *archive, BbgwGuard *guard,
				  BbgwNeededSet *needed)
{
	ArrayType  *missing = bbgw_plan_missing(plans[0], toc);
	bool		objects_missing = toc->has_large_objects &&
	!plans[0]->has_large_objects;
	uint64		ntables;

	bbgw_plan_claim(plans[0], toc, archive);
	ntables = bbgw_plan_drop_unwanted(plans[0], toc);
	if (missing || objects_missing)
	{
		BbgwPlan   *plan = make_plan(backup, request,
									 missing ? missing : construct_empty_array(OIDOID),
									 objects_missing ? BBGW_OBJECTS_SURELY : BBGW_OBJECTS_NOT,
									 needed);

		bbgw_plan_claim(plan, toc, archive);
		ntables += plan->ntables;
	}
	bbgw_plan_release_others(plans, nplans, guard, needed);
	publish_plans(backup, ntables, bbgw_archive_take_over(archive), true);
	bbgw_plan_release_read(plans[0], guard, needed);
}

/*
 * The plans have been carried out.  Gives the archive what workers have written;
 * what they have read in vain does not count.
 */
void
bbgw_plans_deliver(BbgwBackup *backup, BbgwArchive *archive)
{
	uint32		in_vain = 0;

	for (int i = 0; i < nplans; i++)
		in_vain += bbgw_plan_deliver(plans[i], archive);
	pg_atomic_fetch_sub_u64(&backup->tables_done, in_vain);
}
