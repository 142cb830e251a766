/*-------------------------------------------------------------------------
 *
 * paths.h
 *	  Every directory and file name that backup_bgw makes.
 *
 * $PGDATA/backup_bgw/history/<id>.json		history.c
 * $PGDATA/backup_bgw/history/<id>.json.<pid>.tmp	the same, being written
 * <destination>.partial/					archive.c, then renamed to
 * <destination>/							a complete backup
 *	   pg_dump/								what pg_dump writes
 *	   rows_<oid>_<n>.tmp					what a worker writes, until it is known
 *											what pg_dump calls it
 *	   toc.dat								pg_dump's, with our file names
 *	   <dumpid>.dat							data of a table
 *	   <dumpid>_<n>.dat						its n-th further slice (n >= 2)
 *	   objects_<n>.tmp						what a worker says of the large objects
 *											that it has written
 *	   blob_<oid>.dat						a large object
 *	   blobs.toc, blobs_<dumpid>.toc		lists of them
 *	   backup_manifest
 * Data files that are compressed have a further suffix (archive/codec.h).
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_PATHS_H
#define BBGW_PATHS_H

#include "backup_bgw.h"

#include "datatype/timestamp.h"

#define BBGW_STATE_DIR		"backup_bgw"
#define BBGW_HISTORY_DIR	BBGW_STATE_DIR "/history"
#define BBGW_HISTORY_SUFFIX ".json"
#define BBGW_TEMP_SUFFIX	".tmp"
#define BBGW_PARTIAL_SUFFIX ".partial"
#define BBGW_DUMP_DIR		"pg_dump"
#define BBGW_DATA_SUFFIX	".dat"
#define BBGW_TOC_NAME		"toc.dat"
#define BBGW_MANIFEST_NAME	"backup_manifest"

/* the longest name we append to a destination */
#define BBGW_MAX_NAME 64

extern int	bbgw_errcode_for_path(void);
extern char *bbgw_path_history(int64 id);
extern char *bbgw_path_partial(const char *destination);
extern char *bbgw_path_in(const char *directory, const char *name);
extern char *bbgw_name_rows(Oid relid, int slice);
extern char *bbgw_name_data(int dump_id, int slice);
extern char *bbgw_name_objects(int slice);
extern char *bbgw_name_object(Oid oid);
extern bool bbgw_name_is_object(const char *name);
extern char *bbgw_name_default_destination(const char *datname,
										   TimestampTz now);

#endif							/* BBGW_PATHS_H */
