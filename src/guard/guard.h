/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  The storage guard: files that a backup needs outlive their unlinking.
 *
 * guard.c looks at every transaction that is about to commit.  guard_arm.c is
 * for the backup: its leader arms the guard, waits for commits in flight,
 * takes S, publishes the set of files that are needed, and disarms the guard
 * in the end; whoever has read a file says so; whoever has read anything
 * checks that nothing was lost.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_GUARD_H
#define BBGW_GUARD_H

#include "guard/guard_set.h"
#include "guard/guard_shmem.h"

/* Commits that were in flight at some moment; opaque */
typedef struct BbgwCommits BbgwCommits;

/* guard_arm.c */
extern void bbgw_guard_arm(BbgwGuard *guard, int64 backup_id,
						   uint64 max_bytes);
extern void bbgw_guard_publish(BbgwGuard *guard, dsm_segment *segment);
extern dsm_handle bbgw_guard_needed(BbgwGuard *guard);
extern void bbgw_guard_disarm(BbgwGuard *guard, int timeout);
extern void bbgw_guard_check(const BbgwGuard *guard);
extern void bbgw_guard_done(BbgwGuard *guard, BbgwNeededFile *file);

extern bool bbgw_guard_armed(Oid database);
extern void bbgw_guard_preserved(BbgwGuard *guard, uint64 *files,
								 uint64 *bytes);

/* guard.c */
extern void bbgw_guard_init(void);
extern BbgwCommits *bbgw_guard_commits(void);
extern bool bbgw_guard_drained(BbgwCommits *commits, int *pid);

#endif							/* BBGW_GUARD_H */
