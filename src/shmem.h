/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  Running backups in shared memory.
 *
 * There are backup_bgw.max_backups slots.  A slot belongs to a backup from
 * start_backup() until its history file is written:
 *
 *	 FREE -> STARTING	start_backup() has taken the slot and waits
 *	 STARTING -> RUNNING	the leader has S, its workers and pg_dump
 *	 STARTING -> REFUSED	it could not; start_backup() takes the error over
 *							and frees the slot
 *	 RUNNING -> FREE		ended, and in the history
 *
 * The lock rule stands beside each group of fields.  "lock" is the LWLock of
 * all of this structure; it is held for a few instructions at a time, and no
 * other lock is asked for under it.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_SHMEM_H
#define BBGW_SHMEM_H

#include "backup_bgw.h"

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "errors.h"

/* names of snapshots: backup_bgw:<id>, and for pg_dump backup_bgw:<id>:<token> */
#define BBGW_SNAPSHOT_PREFIX "backup_bgw:"
#define BBGW_TOKEN_LENGTH 32	/* hexadecimal digits */

/* what is foreseen to be read, and what pg_dump wants besides */
#define BBGW_MAX_PLANS 2

typedef enum BbgwState
{
	BBGW_FREE,
	BBGW_STARTING,
	BBGW_RUNNING,
	BBGW_REFUSED
} BbgwState;

typedef enum BbgwPhase
{
	BBGW_PHASE_STARTING,
	BBGW_PHASE_SCHEMA,
	BBGW_PHASE_COPYING,
	BBGW_PHASE_FINISHING
} BbgwPhase;

/* How far the backup's pg_dump is, see asof_dump.c */
typedef enum BbgwDumpStage
{
	BBGW_DUMP_CATALOGS,			/* it reads them, and writes toc.dat */
	BBGW_DUMP_ASKS,				/* toc.dat is there; waits for an answer */
	BBGW_DUMP_GOES_ON,			/* has it: it is to write its data files */
	BBGW_DUMP_STOPS				/* it is to end */
} BbgwDumpStage;

/* The numbers that toc.dat has for them. */
typedef enum BbgwCompression
{
	BBGW_COMPRESSION_NONE = 0,
	BBGW_COMPRESSION_GZIP = 1,
	BBGW_COMPRESSION_LZ4 = 2,
	BBGW_COMPRESSION_ZSTD = 3
} BbgwCompression;

#define BBGW_COMPRESSION_MAX BBGW_COMPRESSION_ZSTD

typedef struct BbgwWorkerSlot
{
	/* written by the leader and the worker itself under lock */
	int			pid;			/* 0: not there (any more) */
	bool		finished;		/* found nothing more to do */
	Oid			relid;			/* being read; InvalidOid: none */
	NameData	nspname;
	NameData	relname;
	/* written by the worker alone */
	pg_atomic_uint64 bytes_done;
} BbgwWorkerSlot;

/* What a backup is to be.  Variable-length parts are in the request segment. */
typedef struct BbgwOrder
{
	Oid			dboid;
	Oid			roleid;
	bool		by_superuser;	/* it was one when it asked */
	NameData	datname;
	NameData	rolname;
	char		destination[MAXPGPATH];
	int			jobs;
	BbgwCompression compression;
	int			compression_level;
	uint64		max_rate;		/* bytes per second; 0: no limit */
	TimestampTz started_at;
	dsm_handle	request;		/* request.h; while state is STARTING */
} BbgwOrder;

typedef struct BbgwBackup
{
	/* written under lock */
	BbgwState	state;
	int64		id;

	/* set by start_backup() before the leader is there, then constant */
	BbgwOrder	order;

	/* under lock */
	bool		caller_waits;	/* start_backup() is to be told */
	bool		cancelled;		/* the leader is to give up */
	NameData	cancelled_by;	/* the role that wants it to */
	int			cancelled_by_pid;
	char		dump_token[BBGW_TOKEN_LENGTH + 1];	/* pg_dump's session is to
													 * name it; empty: none is
													 * wanted */
	BbgwPhase	phase;
	int			leader_pid;
	int			dump_pid;		/* server process pg_dump talks to */
	BbgwDumpStage dump_stage;
	dsm_handle	snapshot;		/* S */
	bool		own_files;		/* S's, of catalogs too; with "snapshot" */
	bool		sync_later;		/* the leader makes small files durable */
	dsm_handle	plans[BBGW_MAX_PLANS];	/* what to read; in this order */
	bool		settled;		/* it is known what pg_dump wants; there will
								 * be no further plan */
	TimestampTz copying_at;		/* since when there is one; 0: not yet */
	uint64		tables_total;
	uint64		bytes_total;
	BbgwError	error;			/* of the backup */
	BbgwError	worker_error;	/* of the first worker that failed */
	BbgwWorkerSlot workers[BBGW_MAX_JOBS];

	/* atomic; written by workers and leader, read by anybody */
	pg_atomic_uint64 tables_done;
	pg_atomic_uint64 bytes_done;	/* of bytes_total */
	pg_atomic_uint64 bytes_written; /* in files of the archive */
	pg_atomic_uint64 lock_yields;
	pg_atomic_uint64 throttle_clock;	/* throttle.c */

	/* broadcast at every change of state, phase and plan */
	ConditionVariable cv;

	/* constant since the server has started: which slot this is */
	int			number;
} BbgwBackup;

typedef struct BbgwShared
{
	LWLock	   *lock;
	uint64		incarnation;	/* random, anew at each start or crash restart */
	int64		next_id;		/* under lock; 0: not yet known */
	BbgwBackup	backups[FLEXIBLE_ARRAY_MEMBER];
} BbgwShared;

extern BbgwShared *bbgw_shared;

extern void bbgw_shmem_init(void);
extern void bbgw_backup_reset(BbgwBackup *backup);
extern BbgwBackup *bbgw_backup_find(int64 id);
extern void bbgw_backup_cancel(BbgwBackup *backup, const char *rolname);
extern const char *bbgw_phase_name(BbgwPhase phase);

#endif							/* BBGW_SHMEM_H */
