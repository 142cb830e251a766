/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between PostgreSQL 15, 16, 17, 18 and 19, in one place.
 *
 * The names defined here are those of the newest version where that is
 * possible, so that the rest reads like code for that version.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_COMPAT_H
#define BBGW_COMPAT_H

#include "postgres.h"

#include "access/xlogutils.h"
#include "common/relpath.h"
#include "executor/executor.h"
#include "storage/fd.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/smgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#if PG_VERSION_NUM < 150000
#error "backup_bgw needs PostgreSQL 15 or later"
#endif

/* 16 renamed relfilenodes to relfilelocators made of relfilenumbers */
#if PG_VERSION_NUM < 160000
typedef RelFileNode RelFileLocator;
typedef Oid RelFileNumber;

#define InvalidRelFileNumber InvalidOid
#define spcOid				 spcNode
#define dbOid				 dbNode
#define relNumber			 relNode

static inline RelFileLocator
bbgw_relation_locator(Relation rel)
{
	return rel->rd_node;
}
#else
static inline RelFileLocator
bbgw_relation_locator(Relation rel)
{
	return rel->rd_locator;
}
#endif

/* 17 replaced backend ids by proc numbers */
#if PG_VERSION_NUM < 170000
#include "storage/backendid.h"
#define INVALID_PROC_NUMBER InvalidBackendId
#endif

/* 17 put backends into arrays by proc number, 16 and before by backend id */
#if PG_VERSION_NUM < 170000
#include "storage/sinvaladt.h"
#define BBGW_MY_PROC_NUMBER	 (MyProc->pgprocno)
#define bbgw_vxid_proc(vxid) BackendIdGetProc((vxid).backendId)
#else
#include "storage/procarray.h"
#define BBGW_MY_PROC_NUMBER	 MyProcNumber
#define bbgw_vxid_proc(vxid) ProcNumberGetProc((vxid).procNumber)
#endif

/* 16 renamed the functions, as it did relfilenodes */
#if PG_VERSION_NUM < 160000
#define RelationMapFilenumberToOid RelationMapFilenodeToOid
#define RelationMapOidToFilenumber RelationMapOidToFilenode
#endif

/* 18 gave ENAMETOOLONG an error code of its own */
#ifndef ERRCODE_FILE_NAME_TOO_LONG
#define ERRCODE_FILE_NAME_TOO_LONG MAKE_SQLSTATE('5', '8', 'P', '0', '3')
#endif

/* 16 left the buffer that is being read or written to resource owners */
#if PG_VERSION_NUM < 160000
#define bbgw_abort_buffer_io() AbortBufferIO()
#else
#define bbgw_abort_buffer_io() ((void) 0)
#endif

/* Path of a fork, palloc'd.  18 made it a struct. */
static inline char *
bbgw_relation_path(Oid database, Oid tablespace, RelFileNumber number,
				   ForkNumber fork)
{
#if PG_VERSION_NUM < 180000
	return GetRelationPath(database, tablespace, number, INVALID_PROC_NUMBER,
						   fork);
#else
	return pstrdup(GetRelationPath(database, tablespace, number,
								   INVALID_PROC_NUMBER, fork).str);
#endif
}

/* 16 made it a function, and took a pointer */
#if PG_VERSION_NUM < 160000
#define InitBufferTag(tag, locator, fork, block) \
	INIT_BUFFERTAG(*(tag), *(locator), fork, block)
#endif

/* Is this what a page can be?  A warning says so if it is not. */
#if PG_VERSION_NUM < 180000
#define bbgw_page_is_verified(page, block) \
	PageIsVerifiedExtended(page, block, PIV_LOG_WARNING | PIV_REPORT_STAT)
#else
#define bbgw_page_is_verified(page, block) \
	PageIsVerified((PageData *) (page), block, PIV_LOG_WARNING, NULL)
#endif

/*
 * A relation for the functions of the buffer manager, to be freed with
 * FreeFakeRelcacheEntry().  As since 17, nothing points to it that would have to
 * be cleared then, or after an error.  What it points to goes with the
 * transaction.
 */
static inline Relation
bbgw_fake_relation(RelFileLocator locator)
{
	Relation	rel = CreateFakeRelcacheEntry(locator);

	rel->rd_smgr = smgropen(locator, INVALID_PROC_NUMBER);
	return rel;
}

/* 16 made FileWrite() take const data */
static inline int
bbgw_file_write(File file, const void *data, int amount, off_t offset,
				uint32 wait_event_info)
{
#if PG_VERSION_NUM < 160000
	return FileWrite(file, (char *) data, amount, offset, wait_event_info);
#else
	return (int) FileWrite(file, data, amount, offset, wait_event_info);
#endif
}

/* 16 moved varlenas to a header of their own */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 17 added streams of pages that are read ahead; before, there is none */
#if PG_VERSION_NUM < 170000
typedef struct ReadStream ReadStream;

#define READ_STREAM_SEQUENTIAL 0
#define READ_STREAM_FULL	   0
#define read_stream_begin_relation(flags, strategy, rel, fork, callback, \
								   callback_arg, per_buffer) \
	((void) (callback), (ReadStream *) NULL)
#define read_stream_next_buffer(stream, per_buffer) InvalidBuffer
#define read_stream_end(stream) ((void) 0)
#else
#include "storage/read_stream.h"
#endif

/* 17 dropped old_snapshot_threshold */
#if PG_VERSION_NUM < 170000
#include "storage/bufmgr.h"
#include "utils/snapmgr.h"
#define bbgw_test_old_snapshot(snapshot, rel, page) \
	TestForOldSnapshot(snapshot, rel, page)
#else
#define bbgw_test_old_snapshot(snapshot, rel, page) ((void) 0)
#endif

/* 17 added infinite intervals */
#if PG_VERSION_NUM < 170000
#define bbgw_interval_is_infinite(interval) false
#else
#include "utils/timestamp.h"
#define bbgw_interval_is_infinite(interval) INTERVAL_NOT_FINITE(interval)
#endif

/* 18 moved "noreturn" from the end of a declaration to its beginning */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* 18 dropped ExecutorRun()'s execute_once */
#if PG_VERSION_NUM < 180000
#define BBGW_EXECUTOR_RUN_PARAMS \
	QueryDesc  *queryDesc, ScanDirection direction, uint64 count, \
	bool execute_once
#define BBGW_EXECUTOR_RUN_ARGS queryDesc, direction, count, execute_once
#else
#define BBGW_EXECUTOR_RUN_PARAMS \
	QueryDesc  *queryDesc, ScanDirection direction, uint64 count
#define BBGW_EXECUTOR_RUN_ARGS queryDesc, direction, count
#endif

/* Begins a plain index scan.  18 added instrumentation, 19 flags. */
#if PG_VERSION_NUM < 180000
#define bbgw_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, nkeys, 0)
#elif PG_VERSION_NUM < 190000
#define bbgw_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#else
#define bbgw_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0, SO_NONE)
#endif

/* 19 moved get_database_name() to the other lookups by OID */
#if PG_VERSION_NUM < 190000
#include "commands/dbcommands.h"
#else
#include "utils/lsyscache.h"
#endif

/* 19 made what post_parse_analyze_hook gets of query jumbling const */
#if PG_VERSION_NUM < 190000
#define BBGW_JUMBLE_STATE JumbleState
#else
#define BBGW_JUMBLE_STATE const JumbleState
#endif

/* 19 lets planner_hook know of EXPLAIN */
#if PG_VERSION_NUM < 190000
#define BBGW_PLANNER_PARAMS \
	Query *parse, const char *query_string, int cursorOptions, \
	ParamListInfo boundParams
#define BBGW_PLANNER_ARGS parse, query_string, cursorOptions, boundParams
#else
#define BBGW_PLANNER_PARAMS \
	Query *parse, const char *query_string, int cursorOptions, \
	ParamListInfo boundParams, ExplainState *es
#define BBGW_PLANNER_ARGS parse, query_string, cursorOptions, boundParams, es
#endif

/* 17 added an argument */
static inline bool
bbgw_lock_is_mine(const LOCKTAG *tag, LOCKMODE mode)
{
#if PG_VERSION_NUM < 170000
	return LockHeldByMe(tag, mode);
#else
	return LockHeldByMe(tag, mode, false);
#endif
}

/* 18 added an argument */
static inline LOCALLOCK *
bbgw_lock_acquire(const LOCKTAG *tag, LOCKMODE mode)
{
	LOCALLOCK  *locallock;

#if PG_VERSION_NUM < 180000
	(void) LockAcquireExtended(tag, mode, false, false, true, &locallock);
#else
	(void) LockAcquireExtended(tag, mode, false, false, true, &locallock,
							   false);
#endif
	return locallock;
}

/* 18 put slots for fast-path locks into groups; is there one in use near it? */
#if PG_VERSION_NUM < 180000
#define BBGW_FAST_PATH_SLOTS		  FP_LOCK_SLOTS_PER_BACKEND
#define bbgw_fast_path_in_use(slot) (MyProc->fpLockBits != 0)
#else
#define BBGW_FAST_PATH_SLOTS		  FastPathLockSlotsPerBackend()
#define bbgw_fast_path_in_use(slot) \
	(MyProc->fpLockBits[(slot) / FP_LOCK_SLOTS_PER_GROUP] != 0)
#endif

/*
 * My locks in a partition of the lock table, one after another; NULL is before
 * the first and after the last.  16 made another list of them.
 */
static inline PROCLOCK *
bbgw_next_lock(int partition, PROCLOCK *lock)
{
#if PG_VERSION_NUM < 160000
	SHM_QUEUE  *queue = &MyProc->myProcLocks[partition];

	return (PROCLOCK *) SHMQueueNext(queue, lock ? &lock->procLink : queue,
									 offsetof(PROCLOCK, procLink));
#else
	dlist_head *list = &MyProc->myProcLocks[partition];

	if (lock ? !dlist_has_next(list, &lock->procLink) : dlist_is_empty(list))
		return NULL;
	return dlist_container(PROCLOCK, procLink,
						   lock ? dlist_next_node(list, &lock->procLink) :
						   dlist_head_node(list));
#endif
}

/* 18 added it, pg_dump calls it */
#ifndef F_PG_GET_SEQUENCE_DATA
#define F_PG_GET_SEQUENCE_DATA InvalidOid
#endif

/*
 * From 19 on logical decoding can be enabled while the server runs, with
 * wal_level = replica.  XLogLogicalInfo is what this process knows of that.
 */
#if PG_VERSION_NUM < 190000
#define BBGW_WAL_LEVEL_FOR_LOGICAL WAL_LEVEL_LOGICAL
#define bbgw_logical_info_hide() ((void) 0)
#define bbgw_logical_info_show() ((void) 0)
#define bbgw_logical_slot_create(name) ((void) (name))
#else
#include "replication/logicalctl.h"
#include "replication/slot.h"
#define BBGW_WAL_LEVEL_FOR_LOGICAL WAL_LEVEL_REPLICA
#define bbgw_logical_info_hide() ((void) (XLogLogicalInfo = false))
#define bbgw_logical_info_show() InitializeProcessXLogLogicalInfo()

/* a temporary slot that nothing is decoded from, and logical decoding enabled */
static inline void
bbgw_logical_slot_create(const char *name)
{
	ReplicationSlotCreate(name, true, RS_TEMPORARY, false, false, false,
						  false);
	EnsureLogicalDecodingEnabled();
	ReplicationSlotRelease();
}
#endif

#endif							/* BBGW_COMPAT_H */
