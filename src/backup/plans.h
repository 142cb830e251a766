/*-------------------------------------------------------------------------
 *
 * plans.h
 *	  What the table workers of the leader's backup are to read.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_PLANS_H
#define BBGW_PLANS_H

#include "archive/archive.h"
#include "backup/request.h"
#include "copy/plan.h"
#include "guard/guard.h"

extern void bbgw_plans_foresee(BbgwBackup *backup, const BbgwRequest *request,
							   const BbgwSelection *selection,
							   BbgwNeededSet *needed);
extern bool bbgw_plans_cover(const BbgwToc *toc);
extern void bbgw_plans_settle(BbgwBackup *backup, const BbgwRequest *request,
							  const BbgwToc *toc, BbgwArchive *archive, BbgwGuard *guard,
							  BbgwNeededSet *needed);
extern void bbgw_plans_deliver(BbgwBackup *backup, BbgwArchive *archive);

#endif							/* BBGW_PLANS_H */
