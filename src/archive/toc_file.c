/*-------------------------------------------------------------------------
 *
 * toc_file.c
 *	  Read and write toc.dat of a pg_dump directory archive.
 *
 * FILE FORMAT: versions 1.14 (PostgreSQL 12 to 15), 1.15 (16), 1.16 (17 to 19).
 *
 *	byte	an unsigned octet
 *	int		a sign byte (1 if negative, else 0), then four bytes of magnitude,
 *			least significant first
 *	string	its length as int, then that many bytes without a terminator; the
 *			length of a NULL is -1, of an empty string 0
 *	number	a string holding an unsigned decimal number
 *
 * Header:
 *	5 bytes	"PGDMP"
 *	byte*3	version: major, minor, revision
 *	byte*2	sizes: of an int's magnitude, 4; of a file offset, 8 (not used here)
 *	byte	archive format: 3, since a directory's toc.dat is as a tar's
 *	1.14:	int, the zlib level, -1 for its default, 0 for no compression
 *	1.15+:	byte, the algorithm: 0 none, 1 gzip, 2 lz4, 3 zstd
 *	int*7	time of creation, local time, as in struct tm: tm_sec, tm_min,
 *			tm_hour, tm_mday, tm_mon, tm_year, tm_isdst
 *	string	name of the database; string*2, versions of the server and pg_dump
 *	int		number of entries
 *
 * Each entry; there is nothing after the last one:
 *	int		dump id, positive; int, 1 if the entry has a data file, else 0
 *	number	OID of the catalog the object is in; number, OID of the object
 *	string	tag, the object's name; string, desc, the object's type
 *	int		section (BbgwTocSection)
 *	string	definition; string, DROP statement; string, COPY statement
 *	string	schema; string, tablespace; string, table access method
 *	1.16+:	int, the relkind
 *	string	owner
 *	string	"false": once said whether the table has OIDs
 *	number*	dump ids of what the entry depends on, then a NULL string
 *	string	name of the data file, without a compression's suffix, or ""
 *
 * One set of functions both reads and writes, so that the format is stated
 * once.  Only what pg_dump writes is accepted, and every value has one
 * encoding: what is written as it was read is the same byte for byte.  Nothing
 * read is trusted; memory is allocated only in proportion to the size of the
 * file.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"

#include "archive/toc_file.h"

#define TOC_FORMAT_TAR		   3
#define TOC_HAS_ALGORITHM(toc) ((toc)->vmin >= 15)
#define TOC_HAS_RELKIND(toc)   ((toc)->vmin >= 16)
#define TOC_MIN_ENTRY_SIZE	   (17 * (1 + BBGW_TOC_INT_SIZE))	/* ints and strings */

/* Macros, so that the compiler sees that they do not return */
#define toc_corrupt(io, found) \
	ereport(ERROR, \
			(errcode(ERRCODE_DATA_CORRUPTED), \
			 errmsg("file \"%s\" is not a valid table of contents of an archive", \
					(io)->path), \
			 errdetail("Found %s, up to offset %lld.", \
					   (found), (long long) (io)->offset)))

#define toc_file_error(io, action) \
	ereport(ERROR, \
			(errcode_for_file_access(), \
			 errmsg("could not %s file \"%s\": %m", (action), (io)->path)))


static void
io_bytes(BbgwTocFile *io, void *buf, size_t len)
{
	size_t		done;

	if (!io->writing && (int64) len > io->size - io->offset)
		toc_corrupt(io, "an early end");

	errno = 0;
	done = io->writing ? fwrite(buf, 1, len, io->file) :
		fread(buf, 1, len, io->file);
	if (done != len)
	{
		/* no error code: a full disk, or a file that has become shorter */
		if (errno == 0)
			errno = io->writing ? ENOSPC : EIO;
		toc_file_error(io, io->writing ? "write" : "read");
	}
	io->offset += len;
}

static void
io_byte(BbgwTocFile *io, uint8 *value, int min, int max)
{
	io_bytes(io, value, 1);
	if (*value < min || *value > max)
		toc_corrupt(io, "an unexpected byte");
}

static void
io_int(BbgwTocFile *io, int *value, int min, int max)
{
	uint8		buf[1 + BBGW_TOC_INT_SIZE];
	uint32		magnitude = *value < 0 ? -*value : *value;

	buf[0] = *value < 0;
	for (int i = 0; i < BBGW_TOC_INT_SIZE; i++)
		buf[1 + i] = (uint8) (magnitude >> (8 * i));
	io_bytes(io, buf, sizeof(buf));
	if (io->writing)
		return;

	magnitude = 0;
	for (int i = 0; i < BBGW_TOC_INT_SIZE; i++)
		magnitude |= (uint32) buf[1 + i] << (8 * i);
	if (buf[0] > 1 || magnitude > INT_MAX || (buf[0] == 1 && magnitude == 0))
		toc_corrupt(io, "an invalid integer");
	*value = buf[0] ? -(int) magnitude : (int) magnitude;
	if (*value < min || *value > max)
		toc_corrupt(io, "an integer out of range");
}

static void
io_string(BbgwTocFile *io, const char **str, bool nullable)
{
	int			len = io->writing && *str ? (int) strlen(*str) : -1;
	char	   *buf;

	io_int(io, &len, nullable ? -1 : 0, INT_MAX);
	if (io->writing || len <= 0)
	{
		if (!io->writing)
			*str = len < 0 ? NULL : "";
		else if (len > 0)
			io_bytes(io, unconstify(char *, *str), len);
		return;
	}
	if (len > io->size - io->offset)
		toc_corrupt(io, "a string longer than the file");
	buf = palloc_extended((Size) len + 1, MCXT_ALLOC_HUGE);
	io_bytes(io, buf, len);
	buf[len] = '\0';
	if (memchr(buf, '\0', len) != NULL)
		toc_corrupt(io, "a zero byte in a string");
	*str = buf;
}

/* Returns false if there was a NULL string to be read in place of a number. */
static bool
io_number(BbgwTocFile *io, uint32 *value)
{
	char		buf[16] = "";
	char		canonical[16];
	int			len = snprintf(buf, sizeof(buf), "%u", *value);

	io_int(io, &len, -1, 10);
	if (len < 0)
		return false;
	io_bytes(io, buf, len);
	if (!io->writing)
	{
		buf[len] = '\0';
		*value = (uint32) strtoul(buf, NULL, 10);
		if (snprintf(canonical, sizeof(canonical), "%u", *value) != len ||
			strcmp(buf, canonical) != 0)
			toc_corrupt(io, "an invalid number");
	}
	return true;
}

static void
io_deps(BbgwTocFile *io, List **deps)
{
	uint32		dep = 0;
	int			end = -1;
	ListCell   *lc;

	if (io->writing)
	{
		foreach(lc, *deps)
		{
			dep = lfirst_int(lc);
			io_number(io, &dep);
		}
		io_int(io, &end, -1, -1);
		return;
	}

	*deps = NIL;
	while (io_number(io, &dep))
	{
		if (dep > TOC_MAX_DUMP_ID)
			toc_corrupt(io, "a dependency out of range");
		*deps = lappend_int(*deps, (int) dep);
	}
}

/*
 * Reads or writes the header.  Raises ERRCODE_DATA_CORRUPTED if it is not what
 * pg_dump writes, ERRCODE_FEATURE_NOT_SUPPORTED if its version is not known
 * here, and I/O errors.
 */
void
bbgw_toc_file_header(BbgwTocFile *io, BbgwTocHeader *toc)
{
	char		magic[] = "PGDMP";
	uint8		int_size = BBGW_TOC_INT_SIZE;
	uint8		format = TOC_FORMAT_TAR;
	uint8		algorithm = (uint8) toc->compression;

	io_bytes(io, magic, strlen(magic));
	if (strcmp(magic, "PGDMP") != 0)
		toc_corrupt(io, "a wrong magic number");
	io_byte(io, &toc->vmaj, 0, PG_UINT8_MAX);
	io_byte(io, &toc->vmin, 0, PG_UINT8_MAX);
	io_byte(io, &toc->vrev, 0, PG_UINT8_MAX);
	if (toc->vmaj != 1 || toc->vmin < 14 || toc->vmin > 16)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("archive version %d.%d of file \"%s\" is not supported",
						toc->vmaj, toc->vmin, io->path),
				 errdetail("Versions 1.14 to 1.16 are supported.")));
	io_byte(io, &int_size, BBGW_TOC_INT_SIZE, BBGW_TOC_INT_SIZE);
	io_byte(io, &toc->off_size, 0, PG_UINT8_MAX);
	io_byte(io, &format, TOC_FORMAT_TAR, TOC_FORMAT_TAR);
	if (TOC_HAS_ALGORITHM(toc))
	{
		io_byte(io, &algorithm, BBGW_COMPRESSION_NONE, BBGW_COMPRESSION_MAX);
		toc->compression = algorithm;
	}
	else
		io_int(io, &toc->compression, -1, 9);
	for (int i = 0; i < (int) lengthof(toc->created); i++)
		io_int(io, &toc->created[i], -INT_MAX, INT_MAX);
	io_string(io, &toc->dbname, true);
	io_string(io, &toc->server_version, true);
	io_string(io, &toc->dump_version, true);
	io_int(io, &toc->nentries, 0, INT_MAX);
	if (!io->writing &&
		toc->nentries > (io->size - io->offset) / TOC_MIN_ENTRY_SIZE)
		toc_corrupt(io, "more entries than fit the file");
}

/*
 * Reads or writes an entry.  What is read lives in the current memory context.
 * Raises errors as bbgw_toc_file_header() does.
 */
void
bbgw_toc_file_entry(BbgwTocFile *io, const BbgwTocHeader *toc,
					BbgwTocEntry *e)
{
	int			had_dumper = io->writing && e->had_dumper;
	const char *with_oids = "false";

	if (!io->writing)
		memset(e, 0, sizeof(BbgwTocEntry));

	io_int(io, &e->dump_id, 1, TOC_MAX_DUMP_ID);
	io_int(io, &had_dumper, 0, 1);
	e->had_dumper = (had_dumper == 1);
	if (!io_number(io, &e->tableoid) || !io_number(io, &e->oid))
		toc_corrupt(io, "a null OID");
	io_string(io, &e->tag, false);
	io_string(io, &e->desc, false);
	io_int(io, &e->section, BBGW_TOC_NONE, BBGW_TOC_POST_DATA);
	io_string(io, &e->defn, true);
	io_string(io, &e->drop_stmt, true);
	io_string(io, &e->copy_stmt, true);
	io_string(io, &e->nspname, true);
	io_string(io, &e->tablespace, true);
	io_string(io, &e->tableam, true);
	if (TOC_HAS_RELKIND(toc))
		io_int(io, &e->relkind, 0, PG_UINT8_MAX);
	io_string(io, &e->owner, true);
	io_string(io, &with_oids, false);
	if (strcmp(with_oids, "false") != 0)
		toc_corrupt(io, "a table with OIDs");
	io_deps(io, &e->deps);
	io_string(io, &e->filename, false);
}

/*
 * Opens a file, to be read, or overwritten in place.  Needs a transaction, which
 * closes the file on error.  Raises an I/O error.
 */
void
bbgw_toc_file_open(BbgwTocFile *io, const char *path, bool writing)
{
	struct stat st;

	memset(io, 0, sizeof(BbgwTocFile));
	io->path = path;
	io->writing = writing;
	io->file = AllocateFile(path, writing ? PG_BINARY_W : PG_BINARY_R);
	if (io->file == NULL)
		toc_file_error(io, "open");
	if (fstat(fileno(io->file), &st) != 0)
		toc_file_error(io, "stat");
	io->size = st.st_size;
}

/*
 * Closes a file after its last entry.  Raises an error if what was read does
 * not end there, or if what was written cannot be flushed to disk.
 */
void
bbgw_toc_file_close(BbgwTocFile *io)
{
	if (!io->writing && io->offset != io->size)
		toc_corrupt(io, "the last entry, but not the end of the file");
	if (io->writing &&
		(fflush(io->file) != 0 || pg_fsync(fileno(io->file)) != 0))
		toc_file_error(io, "flush");
	if (FreeFile(io->file) != 0)
		toc_file_error(io, "close");
}

/*
 * Has the header say how data files are compressed.  Version 1.14 knows gzip
 * only; for others it says that they are not compressed, which is what they have
 * to become for its pg_restore.  Raises nothing.
 */
void
bbgw_toc_file_set_compression(BbgwTocHeader *toc, BbgwCompression compression,
							  int level)
{
	if (TOC_HAS_ALGORITHM(toc))
		toc->compression = compression;
	else
		toc->compression = compression == BBGW_COMPRESSION_GZIP ? level : 0;
}
