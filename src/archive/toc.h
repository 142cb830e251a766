/*-------------------------------------------------------------------------
 *
 * toc.h
 *	  The table of contents of an archive: pg_dump's, with our file names.
 *
 * toc = bbgw_toc_read(path) tells whose rows pg_dump wants in the archive;
 * bbgw_toc_set_files() says which tables are in several files; bbgw_toc_write()
 * reads pg_dump's file once more and writes ours.
 *
 * Several files for one table: such a table has a TABLE DATA entry per file.
 * pg_restore expects one per table, which it recognizes by the table being the
 * *first* dependency, and a parallel restore builds on that in two ways:
 *
 * - A table it has created itself is truncated just before its data is loaded.
 *   Of several entries, one would wipe out what another has loaded.  So we put
 *   the ENCODING entry first and the table second: then no entry counts as the
 *   table's data, and nothing is truncated.
 *
 * - In post-data entries (indexes, constraints, triggers) it replaces the
 *   dependency on a table by one on the table's data.  That no longer happens
 *   either, so each post-data entry that depends on the table gets all of the
 *   table's data entries as dependencies as well.
 *
 * What is lost for such a table: the WAL-skipping that the truncation allows
 * with wal_level = minimal, and pg_restore's --no-data-for-failed-tables.  And
 * "pg_restore --data-only --disable-triggers" is for -j 1 only: in parallel, a
 * file that is done would enable the triggers while another is being loaded.
 *
 * Data files may be compressed whatever the header says: pg_restore 16 and
 * later look for NAME, NAME.gz, NAME.lz4 and NAME.zst, 15 for NAME and NAME.gz.
 * The header is only what "pg_restore -l" reports.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_TOC_H
#define BBGW_TOC_H

#include "archive/objects.h"
#include "archive/toc_file.h"

/* A TABLE DATA entry, the one that pg_dump has for a table's rows */
typedef struct BbgwTocData
{
	Oid			relid;
	int			dump_id;
	int			table_id;		/* dump id of the table's entry; 0: none */
} BbgwTocData;

typedef struct BbgwToc
{
	const char *path;			/* of pg_dump's file */
	BbgwTocHeader header;
	int			ndata;
	BbgwTocData *data;			/* in file order */
	bool		has_large_objects;
	BbgwObjects objects;
	int			nothers;		/* entries that have files of other data */

	/* Private to toc.c */
	MemoryContext context;
	int			max_dump_id;	/* highest one seen or given out */
	int			encoding_id;	/* of the ENCODING entry, 0 if none */
	int			nextra;			/* entries that are added */
	struct HTAB *splits;		/* see SplitRef in toc.c */
} BbgwToc;

extern BbgwToc *bbgw_toc_read(const char *path);
extern void bbgw_toc_set_files(BbgwToc *toc, const BbgwTocData *data,
							   int nfiles, char **filenames);
extern void bbgw_toc_write(const BbgwToc *toc, const char *path);
extern void bbgw_toc_free(BbgwToc *toc);

#endif							/* BBGW_TOC_H */
