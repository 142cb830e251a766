/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  The storage guard: files that a backup needs outlive their unlinking.
 *
 * Used by the process that holds S (arm, drain, publish, check, disarm), by
 * those that read (done), and by the one that cleans up (wanted, drain).
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_GUARD_H
#define BBGW_GUARD_H

#include "guard_set.h"
#include "shmem.h"

/* Commits that were in flight at some moment; opaque */
typedef struct BbgwCommits BbgwCommits;

/* The backups that may need files of this database; opaque */
typedef struct BbgwParties BbgwParties;

extern void bbgw_guard_init(void);

extern void bbgw_guard_arm(BbgwBackup *backup, uint64 max_bytes);
extern void bbgw_guard_publish(BbgwBackup *backup, dsm_segment *segment);
extern void bbgw_guard_disarm(BbgwBackup *backup);
extern void bbgw_guard_check(const BbgwBackup *backup);
extern void bbgw_guard_done(BbgwBackup *backup, BbgwNeededFile *file);

extern BbgwCommits *bbgw_guard_commits(void);
extern bool bbgw_guard_drained(BbgwCommits *commits, int *pid);

extern BbgwParties *bbgw_guard_parties(void);
extern int64 bbgw_guard_needed_by(BbgwParties *parties, Oid tablespace,
								  RelFileNumber number, const char **name, char *kind);
extern void bbgw_guard_parties_free(BbgwParties *parties);
extern bool bbgw_guard_armed(Oid database);

#endif							/* BBGW_GUARD_H */
