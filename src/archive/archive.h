/*-------------------------------------------------------------------------
 *
 * archive.h
 *	  The archive directory, from its making to its renaming.
 *
 * The archive knows a table by the dump ID of its TABLE DATA entry.  Whoever
 * copies rows says which tables it will write, and in how many slices
 * (bbgw_archive_add_table), before it takes over from pg_dump; then it writes
 * the files (bbgw_archive_data_path) and in the end tells what became of each
 * (bbgw_archive_add_data).
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_ARCHIVE_H
#define BBGW_ARCHIVE_H

#include "archive/sink.h"
#include "archive/toc.h"
#include "shmem.h"

typedef struct BbgwArchive BbgwArchive;

extern BbgwArchive *bbgw_archive_create(BbgwBackup *backup);
extern void bbgw_archive_clear(BbgwArchive *archive);
extern const char *bbgw_archive_directory(const BbgwArchive *archive);
extern BbgwToc *bbgw_archive_read_toc(BbgwArchive *archive);
extern void bbgw_archive_add_table(BbgwArchive *archive, int dump_id,
								   int nslices);
extern uint64 bbgw_archive_take_over(BbgwArchive *archive);
extern void bbgw_archive_convert(BbgwArchive *archive, void (*pause) (void));
extern void bbgw_archive_add_data(BbgwArchive *archive, int dump_id, int slice,
								  const BbgwFileInfo *info);
extern void bbgw_archive_finish(BbgwArchive *archive);
extern void bbgw_archive_remove(BbgwArchive *archive);

extern char *bbgw_archive_data_path(const BbgwBackup *backup, int dump_id,
									int slice);

#endif							/* BBGW_ARCHIVE_H */
