/*-------------------------------------------------------------------------
 *
 * toc.h
 *	  The table of contents of a pg_dump directory archive.
 *
 * toc = bbgw_toc_read(path) gives every entry; bbgw_toc_set_files() and
 * bbgw_toc_set_compression() edit; bbgw_toc_write(toc, path) writes the file
 * back.  All memory of a BbgwToc comes from the context that was current when
 * it was read, and is freed with that context.  toc.c describes the file.
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
 * toc->entries stays as it was read; the additional entries and dependencies
 * exist in the written file only.
 *
 * What is lost for such a table: the WAL-skipping that the truncation allows
 * with wal_level = minimal, and pg_restore's --no-data-for-failed-tables.  And
 * "pg_restore --data-only --disable-triggers" is for -j 1 only: in parallel, a
 * file that is done would enable the triggers while another is being loaded.
 *
 * Data files may be compressed whatever the header says: pg_restore 16 and
 * later look for NAME, NAME.gz, NAME.lz4 and so on.  The header is only what
 * "pg_restore -l" reports.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_TOC_H
#define BBGW_TOC_H

#include "nodes/pg_list.h"
#include "pgtime.h"

/* pg_dump's teSection */
typedef enum BbgwTocSection
{
	BBGW_TOC_NONE = 1,			/* comments, privileges: anywhere */
	BBGW_TOC_PRE_DATA,
	BBGW_TOC_DATA,
	BBGW_TOC_POST_DATA
} BbgwTocSection;

/* bytes of an int in the file, less its sign; ints of a time */
#define BBGW_TOC_INT_SIZE	  4
#define BBGW_TOC_CREATED_INTS 7

/* desc of the entries that carry a table's rows */
#define BBGW_TOC_TABLE_DATA "TABLE DATA"

/*
 * One entry.  Strings may be shared between entries and must not be changed
 * in place; where NULL is possible it is distinct from "".
 */
typedef struct BbgwTocEntry
{
	int			dump_id;
	bool		had_dumper;		/* the entry has data of its own */

	/*
	 * Catalog and OID of the object.  A TABLE DATA entry has tableoid 0 and
	 * in oid the OID of its table.
	 */
	Oid			tableoid;
	Oid			oid;

	const char *tag;			/* object name, unquoted; never NULL */
	const char *desc;			/* object type; never NULL */
	int			section;		/* a BbgwTocSection */
	const char *defn;			/* or NULL */
	const char *drop_stmt;		/* or NULL */
	const char *copy_stmt;		/* or NULL */
	const char *nspname;		/* or NULL */
	const char *tablespace;		/* or NULL */
	const char *tableam;		/* or NULL */
	int			relkind;		/* 0 if none, or before version 1.16 */
	const char *owner;			/* or NULL */
	List	   *deps;			/* dump ids this depends on, a List of int */
	const char *filename;		/* of the (first) data file; "" if none */

	/* Private to toc.c: further data files, each an entry when written */
	int			nextra;
	int			first_extra_id; /* they have consecutive dump ids */
	const char **extra_files;
} BbgwTocEntry;

typedef struct BbgwToc
{
	/* Header, in file order */
	uint8		vmaj;
	uint8		vmin;
	uint8		vrev;
	uint8		off_size;
	int			compression;	/* 1.14: zlib level; later: algorithm */
	int			created[BBGW_TOC_CREATED_INTS]; /* as struct tm: sec min hour
												 * mday mon year isdst */
	const char *dbname;			/* or NULL */
	const char *server_version; /* or NULL */
	const char *dump_version;	/* or NULL */

	int			nentries;
	BbgwTocEntry **entries;		/* in file order */

	/* Private to toc.c */
	MemoryContext context;
	int			max_dump_id;	/* highest one seen or given out */
	int			encoding_id;	/* of the ENCODING entry, 0 if none */
	int			nextra;			/* sum over the entries */
	struct HTAB *splits;		/* see SplitRef in toc.c */
} BbgwToc;

extern BbgwToc *bbgw_toc_read(const char *path);

/* toc_created.c */
extern bool bbgw_toc_was_created(const char *path, pg_time_t when);
extern void bbgw_toc_set_created(BbgwToc *toc, pg_time_t when);
extern void bbgw_toc_set_compression(BbgwToc *toc, bool lz4);
extern void bbgw_toc_set_files(BbgwToc *toc, BbgwTocEntry *entry,
							   int nfiles, char **filenames);
extern void bbgw_toc_write(const BbgwToc *toc, const char *path);

#endif							/* BBGW_TOC_H */
