/*-------------------------------------------------------------------------
 *
 * backup_bgw.h
 *	  Overview of the extension, and what all its parts share.
 *
 * A backup is made by these processes:
 *
 *	 caller ── start_backup() ──► leader ──┬── pg_dump (child process)
 *	 (any session)                (bgworker)│      └─ its session, as of S
 *	                                        └── table workers (bgworkers,
 *	                                               as of S)
 *
 * The leader takes one MVCC snapshot S and holds it to the end.  All others
 * restore S from shared memory and read user data *and catalogs* as of S
 * (snapshot/asof.c), so that nobody needs locks to keep definitions still.  Files that
 * S needs are kept still by the storage guard (guard/guard.c), which looks at every
 * transaction of every session before it commits: a file that would be
 * unlinked stays until the backup has read it.
 *
 * pg_dump writes the table of contents and everything but table data; the
 * leader foresees the TABLE DATA entries, and makes a plan of them in dynamic
 * shared memory; the workers take units from the plan and write one file each,
 * while pg_dump is still at work; the leader sorts in what pg_dump has written,
 * completes the archive and renames it into place.
 *
 * src/ is a house with wings.  Calls go downward only; dev/check makes sure of
 * that.  Each wing has a README that says what it promises to the others.
 *
 *	 sql/		functions and views: what users call
 *	 backup/	a backup from begin to end
 *	 copy/		rows out of tables
 *	 archive/	files that stock tools read
 *	 format/	values to text
 *	 snapshot/	reading as of S
 *	 guard/		files outlive their unlinking
 *
 * What all of them stand on is in src/ itself:
 *
 *	 shmem.c		running backups, in shared memory
 *	 errors.c		errors on their way from one process to another
 *	 bgworker.c		what our background workers have in common
 *	 privileges.c	who may use the extension
 *	 paths.c		every path and file name of history and archives
 *	 guc.c			settings backup_bgw.*
 *	 compat.h		what differs between versions of PostgreSQL
 *
 * and so is the roof, backup_bgw.c, which loads it all.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BACKUP_BGW_H
#define BACKUP_BGW_H

#include "compat.h"

/* upper limit of table workers of one backup */
#define BBGW_MAX_JOBS 64

/* guc.c */
extern char *bbgw_directory;
extern char *bbgw_conninfo;
extern char *bbgw_pg_dump_path;
extern int	bbgw_jobs;
extern int	bbgw_max_backups;
extern int	bbgw_history_size;
extern int	bbgw_slice_size;
extern bool bbgw_overlap;
extern int	bbgw_max_preserved_size;
extern int	bbgw_prepared_transactions;
extern int	bbgw_commit_timeout;

typedef enum BbgwPreparedTransactions
{
	BBGW_PREPARED_ERROR,
	BBGW_PREPARED_WAIT
} BbgwPreparedTransactions;

extern void bbgw_guc_init(void);

#endif							/* BACKUP_BGW_H */
