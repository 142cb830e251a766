/*-------------------------------------------------------------------------
 *
 * toc_file.h
 *	  Read and write toc.dat of a pg_dump directory archive.
 *
 * Open, header, entries one after another, close; the same calls read and
 * write.  toc_file.c describes the file.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_TOC_FILE_H
#define BBGW_TOC_FILE_H

#include "backup_bgw.h"

#include <limits.h>

#include "nodes/pg_list.h"
#include "pgtime.h"

#include "shmem.h"

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

/* leaves room for new ones */
#define TOC_MAX_DUMP_ID (INT_MAX / 2)

/* The header, in file order */
typedef struct BbgwTocHeader
{
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
} BbgwTocHeader;

/*
 * One entry.  Where NULL is possible it is distinct from "".
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
	const char *filename;		/* of the data file; "" if none */
} BbgwTocEntry;

/* A file being read or written */
typedef struct BbgwTocFile
{
	FILE	   *file;
	const char *path;
	bool		writing;
	int64		offset;			/* bytes done so far */
	int64		size;			/* of the file that is read */
} BbgwTocFile;

extern void bbgw_toc_file_open(BbgwTocFile *io, const char *path,
							   bool writing);
extern void bbgw_toc_file_header(BbgwTocFile *io, BbgwTocHeader *toc);
extern void bbgw_toc_file_entry(BbgwTocFile *io, const BbgwTocHeader *toc,
								BbgwTocEntry *e);
extern void bbgw_toc_file_close(BbgwTocFile *io);
extern void bbgw_toc_file_set_compression(BbgwTocHeader *toc,
										  BbgwCompression compression,
										  int level);

/* toc_created.c */
extern bool bbgw_toc_was_created(const char *path, pg_time_t when);
extern void bbgw_toc_set_created(BbgwTocHeader *toc, pg_time_t when);

#endif							/* BBGW_TOC_FILE_H */
