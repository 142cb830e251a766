/*-------------------------------------------------------------------------
 *
 * archive.h
 *	  The archive directory, from its making to its renaming.
 *
 * pg_dump knows a table by the dump ID of its TABLE DATA entry, which is not
 * known before pg_dump has ended; the table workers begin earlier.  So they
 * write their files under other names (bbgw_archive_rows_path).  When pg_dump's
 * table of contents is there (bbgw_archive_read_toc), each table in it is
 * claimed for the workers (bbgw_archive_claim), and what is left is the
 * archive's to convert (bbgw_archive_take_over).  In the end the archive is told
 * what became of each file (bbgw_archive_add_rows, bbgw_archive_drop_rows).
 *
 * Large objects have their names from the beginning.  The table workers write
 * them, as well as reports of those that they have written (objects.h).  At the
 * end the archive gets these in the order of OIDs (bbgw_archive_add_objects) and
 * keeps what pg_dump knows.
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
extern const char *bbgw_archive_begin_dump(BbgwArchive *archive);
extern void bbgw_archive_check(const BbgwArchive *archive);
extern BbgwToc *bbgw_archive_read_toc(BbgwArchive *archive);
extern bool bbgw_archive_has_toc(const BbgwArchive *archive);
extern void bbgw_archive_dump_stopped(BbgwArchive *archive);
extern void bbgw_archive_claim(BbgwArchive *archive, const BbgwTocData *data,
							   int nslices);
extern uint64 bbgw_archive_take_over(BbgwArchive *archive);
extern void bbgw_archive_convert(BbgwArchive *archive);
extern void bbgw_archive_add_rows(BbgwArchive *archive, Oid relid, int slice,
								  int dump_id, const BbgwFileInfo *info);
extern void bbgw_archive_drop_rows(BbgwArchive *archive, Oid relid, int slice);
extern void bbgw_archive_add_objects(BbgwArchive *archive, int slice,
									 const BbgwFileInfo *report);
extern void bbgw_archive_finish(BbgwArchive *archive);
extern void bbgw_archive_remove(BbgwArchive *archive);

extern char *bbgw_archive_rows_path(const BbgwBackup *backup, Oid relid,
									int slice);
extern char *bbgw_archive_object_path(const BbgwBackup *backup, Oid oid);
extern char *bbgw_archive_report_path(const BbgwBackup *backup, int slice);

#endif							/* BBGW_ARCHIVE_H */
