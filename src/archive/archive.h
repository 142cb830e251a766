/*-------------------------------------------------------------------------
 *
 * archive.h
 *	  The archive directory, from its making to its renaming.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_ARCHIVE_H
#define BBGW_ARCHIVE_H

#include "copy/plan.h"

typedef struct BbgwArchive BbgwArchive;

extern BbgwArchive *bbgw_archive_create(BbgwBackup *backup);
extern void bbgw_archive_clear(BbgwArchive *archive);
extern const char *bbgw_archive_directory(const BbgwArchive *archive);
extern BbgwToc *bbgw_archive_read_toc(BbgwArchive *archive);
extern uint64 bbgw_archive_take_over(BbgwArchive *archive, BbgwPlan *plan);
extern void bbgw_archive_convert(BbgwArchive *archive, void (*pause)(void));
extern void bbgw_archive_finish(BbgwArchive *archive, BbgwPlan *plan);
extern void bbgw_archive_remove(BbgwArchive *archive);

extern char *bbgw_archive_data_path(const BbgwBackup *backup,
									const BbgwTable *table, int slice);

#endif							/* BBGW_ARCHIVE_H */
