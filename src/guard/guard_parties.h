/*-------------------------------------------------------------------------
 *
 * guard_parties.h
 *	  The backups that may need files of a database, as others see them.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_GUARD_PARTIES_H
#define BBGW_GUARD_PARTIES_H

#include "guard/guard_set.h"
#include "guard/guard_shmem.h"

/*
 * A backup whose guard was armed at some moment.  It may have ended since, and
 * another one may have its guard; so "id" is what counts.
 */
typedef struct BbgwParty
{
	BbgwGuard  *guard;			/* NULL: ended or failed meanwhile */
	int64		id;
	dsm_handle	handle;			/* of the set; invalid: needs everything yet */
	uint64		max_bytes;
	dsm_segment *segment;		/* NULL: not attached here, but before */
	BbgwNeededSet *set;
} BbgwParty;

typedef struct BbgwParties
{
	bool		failing;		/* there are some that have lost files, and
								 * whose processes may not know it yet */
	int			n;
	BbgwParty	party[FLEXIBLE_ARRAY_MEMBER];
} BbgwParties;

extern BbgwParties *bbgw_parties_find(void);
extern void bbgw_parties_free(BbgwParties *parties);
extern bool bbgw_party_needs(const BbgwParty *party, Oid tablespace,
							 RelFileNumber number, BbgwNeededFile **file);
extern bool bbgw_party_mark(const BbgwParty *party, BbgwNeededFile *file,
							uint64 bytes);
extern int64 bbgw_parties_need(const BbgwParties *parties, Oid tablespace,
							   RelFileNumber number, const char **name,
							   char *kind);

#endif							/* BBGW_GUARD_PARTIES_H */
