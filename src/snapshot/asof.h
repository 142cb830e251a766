/*-------------------------------------------------------------------------
 *
 * asof.h
 *	  Reading catalogs and data as of a snapshot S of another process.
 *
 * One process, the holder, takes S with bbgw_snapshot_take() and keeps its
 * transaction open.  Others bring their transaction as of S with
 * bbgw_asof_enter(), after which catalog lookups, the relation cache, SPI with
 * read_only = true and scans with the active snapshot all see the database as
 * it was at S, objects dropped since included.  Nothing may be written there.
 *
 * None of this knows of archives; asof_session.c adds what sessions of clients
 * need (pg_dump's above all).
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_ASOF_H
#define BBGW_ASOF_H

#include "backup_bgw.h"

#include "storage/dsm.h"
#include "utils/resowner.h"
#include "utils/snapshot.h"

/* asof.c */
extern dsm_segment *bbgw_snapshot_take(void);
extern Snapshot bbgw_asof_enter(dsm_handle handle, int holder_pid,
								bool own_files,
								bool hide);
extern void bbgw_asof_begin(dsm_handle handle, int holder_pid, bool own_files);
extern void bbgw_asof_commit(void);
extern void bbgw_asof_leave(void);
extern bool bbgw_asof_active(void);
extern void bbgw_asof_check_unwritten(void);
extern void bbgw_asof_settings(void);

/* asof_locks.c */
extern void bbgw_release_locks(void);
extern void bbgw_release_cursor_locks(ResourceOwner portal);

/* asof_session.c */
extern void bbgw_asof_session_init(void);

#endif							/* BBGW_ASOF_H */
