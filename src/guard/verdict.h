/*-------------------------------------------------------------------------
 *
 * verdict.h
 *	  What is to become of a preserved file?
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_VERDICT_H
#define BBGW_VERDICT_H

#include "backup_bgw.h"

#include "utils/snapshot.h"

#include "guard/registry.h"

typedef enum BbgwOutcome
{
	BBGW_IN_PROGRESS,			/* or prepared */
	BBGW_COMMITTED,
	BBGW_ABORTED,				/* or lost in a crash */
	BBGW_UNKNOWN				/* so old that the server has forgotten it */
} BbgwOutcome;

typedef enum BbgwVerdict
{
	BBGW_WAIT,					/* a later sweep will know more */
	BBGW_FORGET,				/* the file is none of our business any more */
	BBGW_UNLINK,
	BBGW_DOUBT					/* nobody can tell: the file stays, on record */
} BbgwVerdict;

extern BbgwOutcome bbgw_outcome(FullTransactionId xid);
extern const char *bbgw_outcome_name(BbgwOutcome outcome);
extern BbgwVerdict bbgw_verdict_by_xid(const BbgwPreserved *record);
extern bool bbgw_file_in_use(Relation pg_class, Snapshot snapshot,
							 Oid tablespace, RelFileNumber number);

#endif							/* BBGW_VERDICT_H */
