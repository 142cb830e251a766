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
 * (asof.c), so that nobody needs locks to keep definitions still.  Files that
 * S needs are kept still by the storage guard (guard.c), which looks at every
 * transaction of every session before it commits: a file that would be
 * unlinked stays until the backup has read it.
 *
 * pg_dump writes the table of contents and everything but table data; the
 * leader turns the TABLE DATA entries into a plan in dynamic shared memory;
 * the workers take units from the plan and write one file each; the leader
 * completes the archive and renames it into place.
 *
 * Which file does what, lower ones knowing nothing of those above:
 *
 *	 functions.c	start_backup, wait_backup, cancel_backup
 *	 views.c		what the views select from
 *	 request.c		checks and normalizes what the caller asked for
 *	 leader.c		a backup from begin to end
 *	 guarded_snapshot.c		takes S so that no file of it can get lost
 *	 schema.c		the schema phase: pg_dump as of S
 *	 pgdump.c		pg_dump as a child process
 *	 lockpass.c		locks that nobody as of S need wait for
 *	 worker.c		a table worker: which table is next
 *	 scan.c			reads a table, standing in nobody's way
 *	 tablelock.c	the lock on it, given up when others want it
 *	 toast.c		values out of line, without locks
 *	 rowtext.c		rows to COPY text
 *	 plan.c			what is to be read: pg_class as of S, through SPI
 *	 patterns.c		include/exclude patterns
 *	 archive.c		the archive directory: data files, toc.dat, manifest
 *	 toc.c			pg_dump's table of contents
 *	 manifest.c		backup_manifest
 *	 sink.h			where data goes: sink_lz4.c, sink_file.c
 *	 throttle.c		max_rate
 *	 asof_session.c	SET TRANSACTION SNAPSHOT 'backup_bgw:<id>'
 *	 asof_files.c	... and whether what its queries read was still there
 *	 asof.c			reading catalogs and data as of S
 *	 storage.c		is this the file that S means?
 *	 sweep.c		unlinks preserved files that nobody needs any more
 *	 guard_arm.c	the guard, as the backup sees it
 *	 guard.c		the guard, as other transactions see it
 *	 guard_parties.c	the backups that may need a file
 *	 guard_set.c	the files that a backup needs
 *	 registry.c		preserved files on record, for crashes and standbys
 *	 bgworker.c		what our background workers have in common
 *	 history.c		ended backups, in files
 *	 shmem.c		running backups, in shared memory
 *	 paths.c		every path and file name of history and archives
 *	 guc.c			settings backup_bgw.*
 *	 compat.h		what differs between versions of PostgreSQL
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
