/*-------------------------------------------------------------------------
 *
 * toc.c
 *	  Read, edit and write toc.dat of a pg_dump directory archive.
 *
 * The schema of a backup comes from stock pg_dump, the rows come from our own
 * workers.  What ties the two together is toc.dat: we read the one pg_dump
 * wrote, put our file names into its TABLE DATA entries and write it back.
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
 *	1.14:	int, the zlib level, 0 for no compression
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
 * CONSTRAINTS: One set of functions both reads and writes, so that the format
 * is stated once.  Only what pg_dump writes is accepted, and every value has
 * one encoding: an unedited file is written back byte for byte.  Nothing read
 * is trusted; memory is allocated only in proportion to the size of the file.
 * A million entries must work, so there is no pass per table, and strings that
 * repeat from entry to entry (owner, schema, ...) are kept once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/hsearch.h"

#include "archive/toc.h"

#define TOC_FORMAT_TAR		   3
#define TOC_ALGORITHM_NONE	   0
#define TOC_ALGORITHM_LZ4	   2
#define TOC_ALGORITHM_MAX	   3
#define TOC_HAS_ALGORITHM(toc) ((toc)->vmin >= 15)
#define TOC_HAS_RELKIND(toc)   ((toc)->vmin >= 16)
#define TOC_MIN_ENTRY_SIZE	   (17 * (1 + BBGW_TOC_INT_SIZE))	/* ints and strings */
#define TOC_MAX_DUMP_ID		   (INT_MAX / 2)	/* leaves room for new ones */

/* A file being read or written */
typedef struct TocIO
{
	FILE	   *file;
	const char *path;
	bool		writing;
	int64		offset;			/* bytes done so far */
	int64		size;			/* of the file that is read */
} TocIO;

/* Leads to a data entry for which bbgw_toc_set_files() gave several files */
typedef struct SplitRef
{
	int			dump_id;		/* of the table, or of the data entry itself */
	const BbgwTocEntry *data;
} SplitRef;

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
io_bytes(TocIO *io, void *buf, size_t len)
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
io_byte(TocIO *io, uint8 *value, int min, int max)
{
	io_bytes(io, value, 1);
	if (*value < min || *value > max)
		toc_corrupt(io, "an unexpected byte");
}

static void
io_int(TocIO *io, int *value, int min, int max)
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

/*
 * When reading, *str is also a guess (or NULL): if the string equals that, it
 * stays and nothing is allocated.
 */
static void
io_string(TocIO *io, const char **str, bool nullable)
{
	int			len = *str ? (int) strlen(*str) : -1;
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

	if (*str && strcmp(buf, *str) == 0)
		pfree(buf);
	else
		*str = buf;
}

/* Returns false if there was a NULL string to be read in place of a number. */
static bool
io_number(TocIO *io, uint32 *value)
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
io_deps(TocIO *io, List **deps)
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

static void
io_header(TocIO *io, BbgwToc *toc, int *nentries)
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
		io_byte(io, &algorithm, TOC_ALGORITHM_NONE, TOC_ALGORITHM_MAX);
		toc->compression = algorithm;
	}
	else
		io_int(io, &toc->compression, -1, 9);
	for (int i = 0; i < (int) lengthof(toc->created); i++)
		io_int(io, &toc->created[i], -INT_MAX, INT_MAX);
	io_string(io, &toc->dbname, true);
	io_string(io, &toc->server_version, true);
	io_string(io, &toc->dump_version, true);
	io_int(io, nentries, 0, INT_MAX);
}

static void
io_entry(TocIO *io, const BbgwToc *toc, BbgwTocEntry *e)
{
	int			had_dumper = e->had_dumper;
	const char *with_oids = "false";

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
 * Read the table of contents in the file "path".
 *
 * The result lives in the current memory context.  Call this in a transaction,
 * which closes the file on error.  Raises ERRCODE_DATA_CORRUPTED if the file
 * is not what pg_dump writes, ERRCODE_FEATURE_NOT_SUPPORTED if its version is
 * not known here, and an I/O error if it cannot be read.
 */
BbgwToc *
bbgw_toc_read(const char *path)
{
	BbgwToc    *toc = palloc0(sizeof(BbgwToc));
	BbgwTocEntry *all;
	HASHCTL		ctl;
	TocIO		io = {
		.file = AllocateFile(path, PG_BINARY_R),
		.path = path
	};
	struct stat st;

	if (io.file == NULL)
		toc_file_error(&io, "open");
	if (fstat(fileno(io.file), &st) != 0)
		toc_file_error(&io, "stat");
	io.size = st.st_size;

	toc->context = CurrentMemoryContext;
	io_header(&io, toc, &toc->nentries);
	if (toc->nentries > (io.size - io.offset) / TOC_MIN_ENTRY_SIZE)
		toc_corrupt(&io, "more entries than fit the file");
	toc->entries = palloc_extended(toc->nentries * sizeof(BbgwTocEntry *),
								   MCXT_ALLOC_HUGE);
	all = palloc_extended(toc->nentries * sizeof(BbgwTocEntry),
						  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < toc->nentries; i++)
	{
		BbgwTocEntry *e = toc->entries[i] = &all[i];
		ListCell   *lc;

		CHECK_FOR_INTERRUPTS();

		/* The previous entry is the guess for the strings of this one. */
		if (i > 0)
			*e = all[i - 1];
		io_entry(&io, toc, e);
		if (strcmp(e->desc, "ENCODING") == 0)
			toc->encoding_id = e->dump_id;

		/*
		 * A dependency may be on an object that pg_dump gave an id but no
		 * entry.  Such an id must not become that of an entry.
		 */
		toc->max_dump_id = Max(toc->max_dump_id, e->dump_id);
		foreach(lc, e->deps)
			toc->max_dump_id = Max(toc->max_dump_id, lfirst_int(lc));
	}
	if (io.offset != io.size)
		toc_corrupt(&io, "the last entry, but not the end of the file");
	FreeFile(io.file);

	ctl.keysize = sizeof(int);
	ctl.entrysize = sizeof(SplitRef);
	ctl.hcxt = toc->context;
	toc->splits = hash_create("backup_bgw split tables", 64, &ctl,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return toc;
}

/*
 * Have the archive say that its data files are LZ4-compressed, or that they
 * are not compressed.  Version 1.14 cannot say so and stays as it is.  Raises
 * nothing.
 */
void
bbgw_toc_set_compression(BbgwToc *toc, bool lz4)
{
	if (TOC_HAS_ALGORITHM(toc))
		toc->compression = lz4 ? TOC_ALGORITHM_LZ4 : TOC_ALGORITHM_NONE;
}

/*
 * Let the data of an entry consist of the given files, at least one.
 *
 * The names are without the suffix of a compression, and are copied.  Only a
 * TABLE DATA entry can have more than one.  Calling this again for an entry
 * replaces its files.  toc->entries does not change; what is described in
 * toc.h happens when the file is written, in one pass.  Raises
 * ERRCODE_DATA_CORRUPTED if the archive lacks what several files need.
 */
void
bbgw_toc_set_files(BbgwToc *toc, BbgwTocEntry *entry, int nfiles,
				   char **filenames)
{
	int			nextra = nfiles - 1;
	SplitRef   *ref;

	Assert(nfiles >= 1);
	if (nextra > 0)
	{
		if (strcmp(entry->desc, BBGW_TOC_TABLE_DATA) != 0 ||
			entry->deps == NIL || toc->encoding_id == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("archive entry %d cannot have several files",
							entry->dump_id),
					 errdetail("It must be the data of a table, and the archive must have an ENCODING entry.")));
		if (nextra > INT_MAX - toc->max_dump_id)
			elog(ERROR, "too many entries in an archive");

		ref = hash_search(toc->splits, &entry->dump_id, HASH_ENTER, NULL);
		ref->data = entry;
		ref = hash_search(toc->splits, &linitial_int(entry->deps),
						  HASH_ENTER, NULL);
		ref->data = entry;
		entry->first_extra_id = toc->max_dump_id + 1;
		toc->max_dump_id += nextra;
	}

	toc->nextra += nextra - entry->nextra;
	entry->nextra = nextra;
	entry->filename = MemoryContextStrdup(toc->context, filenames[0]);
	entry->extra_files = MemoryContextAllocHuge(toc->context,
												nextra * sizeof(char *));
	for (int i = 0; i < nextra; i++)
		entry->extra_files[i] = MemoryContextStrdup(toc->context,
													filenames[i + 1]);
}

/*
 * The dependencies with which an entry is to be written, as a new list.
 * pg_dump may name a table several times; its data entries come but once.
 */
static List *
expand_deps(const BbgwToc *toc, const BbgwTocEntry *e)
{
	List	   *deps = e->nextra > 0 ? list_make1_int(toc->encoding_id) : NIL;
	ListCell   *lc;

	foreach(lc, e->deps)
	{
		int			dep = lfirst_int(lc);
		const SplitRef *ref = NULL;

		deps = lappend_int(deps, dep);
		if (e->section == BBGW_TOC_POST_DATA)
			ref = hash_search(toc->splits, &dep, HASH_FIND, NULL);
		if (ref == NULL || list_member_int(deps, ref->data->first_extra_id))
			continue;
		if (ref->data->dump_id != dep)
			deps = lappend_int(deps, ref->data->dump_id);
		for (int i = 0; i < ref->data->nextra; i++)
			deps = lappend_int(deps, ref->data->first_extra_id + i);
	}
	return deps;
}

/*
 * Write the table of contents to the file "path" and flush it to disk.
 *
 * The file is overwritten in place; after an error its content is undefined.
 * Call this in a transaction, which closes the file on error.  Raises an I/O
 * error.
 */
void
bbgw_toc_write(const BbgwToc *toc, const char *path)
{
	BbgwToc		header = *toc;
	int			nentries = toc->nentries + toc->nextra;
	TocIO		io = {
		.file = AllocateFile(path, PG_BINARY_W),
		.path = path,
		.writing = true
	};

	if (io.file == NULL)
		toc_file_error(&io, "open");
	io_header(&io, &header, &nentries);
	for (int i = 0; i < toc->nentries; i++)
	{
		BbgwTocEntry e = *toc->entries[i];

		CHECK_FOR_INTERRUPTS();
		e.deps = expand_deps(toc, &e);
		io_entry(&io, toc, &e);
		for (int j = 0; j < e.nextra; j++)
		{
			e.dump_id = e.first_extra_id + j;
			e.filename = e.extra_files[j];
			io_entry(&io, toc, &e);
		}
		list_free(e.deps);
	}

	if (fflush(io.file) != 0 || pg_fsync(fileno(io.file)) != 0 ||
		FreeFile(io.file) != 0)
		toc_file_error(&io, "flush");
}
