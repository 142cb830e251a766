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
 * (asof.c), so that nobody needs locks to keep definitions still.  pg_dump
 * writes the table of contents and everything but table data; the leader turns
 * the TABLE DATA entries into a plan in dynamic shared memory; the workers take
 * units from the plan and write one file each; the leader completes the archive
 * and renames it into place.
 *
 * Which file does what, lower ones knowing nothing of those above:
 *
 *	 functions.c	start_backup, wait_backup, cancel_backup
 *	 views.c		what the three views select from
 *	 request.c		checks and normalizes what the caller asked for
 *	 leader.c		a backup from begin to end
 *	 pgdump.c		pg_dump as a child process
 *	 plan.c			what is to be read: pg_class as of S, through SPI
 *	 patterns.c		include/exclude patterns
 *	 worker.c		reads tables
 *	 rowtext.c		rows to COPY text
 *	 archive.c		the archive directory: data files, toc.dat, manifest
 *	 toc.c			pg_dump's table of contents
 *	 manifest.c		backup_manifest
 *	 sink.h			where data goes: sink_lz4.c, sink_file.c
 *	 throttle.c		max_rate
 *	 storage.c		are the files of S still there?
 *	 asof_session.c	SET TRANSACTION SNAPSHOT 'backup_bgw:<id>'
 *	 asof.c			reading catalogs and data as of S
 *	 bgworker.c		what leader and workers have in common
 *	 history.c		ended backups, in files
 *	 shmem.c		running backups, in shared memory
 *	 paths.c		every path and file name
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

/* backup_bgw.c */
extern void bbgw_require_preload(void);
extern bool bbgw_role_may_backup(Oid roleid);
extern void bbgw_require_privilege(void);

/* entry points of the background workers */
extern PGDLLEXPORT void bbgw_leader_main(Datum arg);
extern PGDLLEXPORT void bbgw_worker_main(Datum arg);
extern PGDLLEXPORT void bbgw_sweeper_main(Datum arg);
extern PGDLLEXPORT void bbgw_startup_sweep_main(Datum arg);

#endif							/* BACKUP_BGW_H */
