/*-------------------------------------------------------------------------
 *
 * toc.c
 *	  The table of contents of an archive: pg_dump's, with our file names.
 *
 * The schema of a backup comes from stock pg_dump, the rows come from our own
 * workers.  What ties the two together is toc.dat: we read the one pg_dump
 * wrote, put our file names into its TABLE DATA entries and write it again.
 *
 * A million entries must work.  So the file goes by twice, entry by entry, and
 * of each table no more is remembered than a few numbers; and there is no pass
 * per table.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "archive/toc.h"
#include "bgworker.h"

/* desc of the entries that carry a table's rows */
#define TABLE_DATA "TABLE DATA"

/* and of those for large objects; see objects.c */
#define OBJECT		 "BLOB"
#define OBJECTS		 "BLOB METADATA"
#define OBJECTS_DATA "BLOBS"

/* A data entry for which bbgw_toc_set_files() gave several files */
typedef struct Split
{
	int			dump_id;		/* of the data entry */
	int			nextra;			/* further ones */
	int			first_extra_id; /* they have consecutive dump ids */
	char	  **files;			/* of all */
} Split;

/* Leads to it */
typedef struct SplitRef
{
	int			dump_id;		/* of the table, or of the data entry itself */
	Split	   *split;
} SplitRef;

static void
remember_objects(BbgwToc *toc, const BbgwTocEntry *e)
{
	if (strcmp(e->desc, OBJECT) == 0)
		bbgw_objects_add(&toc->objects, e->oid);
	else if (strcmp(e->desc, OBJECTS) == 0)
		bbgw_objects_add_group(&toc->objects, e->dump_id, e->defn);
	else if (strcmp(e->desc, OBJECTS_DATA) == 0 && e->had_dumper)
	{
		toc->has_large_objects = true;
		bbgw_objects_add_list(&toc->objects,
							  e->deps == NIL ? 0 : linitial_int(e->deps),
							  e->filename);
	}
}

static void
remember(BbgwToc *toc, int *max_data, const BbgwTocEntry *e)
{
	BbgwTocData *data;
	ListCell   *lc;

	/*
	 * A dependency may be on an object that pg_dump gave an id but no entry.
	 * Such an id must not become that of an entry.
	 */
	toc->max_dump_id = Max(toc->max_dump_id, e->dump_id);
	foreach(lc, e->deps)
		toc->max_dump_id = Max(toc->max_dump_id, lfirst_int(lc));

	if (strcmp(e->desc, "ENCODING") == 0)
		toc->encoding_id = e->dump_id;
	remember_objects(toc, e);
	if (!e->had_dumper || strcmp(e->desc, OBJECTS_DATA) == 0)
		return;
	if (strcmp(e->desc, TABLE_DATA) != 0)
	{
		toc->nothers++;
		return;
	}

	/* pg_dump does not get there then */
	if (toc->has_large_objects)
		elog(ERROR, "archive entry %d comes after large objects", e->dump_id);

	if (toc->ndata == *max_data)
	{
		*max_data *= 2;
		toc->data = repalloc_huge(toc->data, *max_data * sizeof(BbgwTocData));
	}
	data = &toc->data[toc->ndata++];
	data->relid = e->oid;
	data->dump_id = e->dump_id;
	data->table_id = e->deps == NIL ? 0 : linitial_int(e->deps);
}

/*
 * Reads the table of contents that pg_dump has written to the file "path",
 * which must stay until bbgw_toc_write().
 *
 * The result lives in a context of its own, below the current one.  Needs a
 * transaction.  Raises what bbgw_toc_file_header() does.
 */
BbgwToc *
bbgw_toc_read(const char *path)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "backup_bgw toc",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	BbgwToc    *toc = palloc0(sizeof(BbgwToc));
	MemoryContext entry_context;
	HASHCTL		ctl;
	BbgwTocFile file;
	BbgwTocEntry entry;
	int			max_data = 1024;

	toc->context = context;
	toc->path = pstrdup(path);
	toc->data = palloc(max_data * sizeof(BbgwTocData));
	bbgw_toc_file_open(&file, toc->path, false);
	bbgw_toc_file_header(&file, &toc->header);

	entry_context = AllocSetContextCreate(toc->context, "backup_bgw toc entry",
										  ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < toc->header.nentries; i++)
	{
		bbgw_bgworker_pause();
		MemoryContextSwitchTo(entry_context);
		bbgw_toc_file_entry(&file, &toc->header, &entry);
		MemoryContextSwitchTo(toc->context);
		remember(toc, &max_data, &entry);
		MemoryContextReset(entry_context);
	}
	MemoryContextDelete(entry_context);
	bbgw_toc_file_close(&file);

	/* those that no list has are not in the archive */
	if (!toc->has_large_objects)
		toc->objects.n = 0;

	ctl.keysize = sizeof(int);
	ctl.entrysize = sizeof(SplitRef);
	ctl.hcxt = toc->context;
	toc->splits = hash_create("backup_bgw split tables", 64, &ctl,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	MemoryContextSwitchTo(old_context);
	return toc;
}

/*
 * Frees what bbgw_toc_read() has returned, and all that was said of it since.
 */
void
bbgw_toc_free(BbgwToc *toc)
{
	MemoryContextDelete(toc->context);
}

static void
add_ref(BbgwToc *toc, int dump_id, Split *split)
{
	SplitRef   *ref = hash_search(toc->splits, &dump_id, HASH_ENTER, NULL);

	ref->split = split;
}

/*
 * Lets the rows of a table consist of the given files, two or more.
 *
 * The names are without the suffix of a compression, and are copied.  To be
 * called once for a table at most.  What is described in toc.h happens when
 * the file is written.  Raises ERRCODE_DATA_CORRUPTED if the archive lacks what
 * several files need.
 */
void
bbgw_toc_set_files(BbgwToc *toc, const BbgwTocData *data, int nfiles,
				   char **filenames)
{
	Split	   *split;

	Assert(nfiles >= 2);
	if (data->table_id == 0 || toc->encoding_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("archive entry %d cannot have several files",
						data->dump_id),
				 errdetail("It must depend on a table, and the archive must have an ENCODING entry.")));
	if (nfiles > INT_MAX - toc->max_dump_id)
		elog(ERROR, "too many entries in an archive");

	split = MemoryContextAlloc(toc->context, sizeof(Split));
	split->dump_id = data->dump_id;
	split->nextra = nfiles - 1;
	split->first_extra_id = toc->max_dump_id + 1;
	split->files = MemoryContextAllocHuge(toc->context, nfiles * sizeof(char *));
	for (int i = 0; i < nfiles; i++)
		split->files[i] = MemoryContextStrdup(toc->context, filenames[i]);

	toc->max_dump_id += split->nextra;
	toc->nextra += split->nextra;
	add_ref(toc, data->dump_id, split);
	add_ref(toc, data->table_id, split);
}

static Split *
find_split(const BbgwToc *toc, int dump_id)
{
	SplitRef   *ref = hash_search(toc->splits, &dump_id, HASH_FIND, NULL);

	return ref ? ref->split : NULL;
}

/*
 * Adds a table's further data entries to the dependencies of a post-data
 * entry.  pg_dump may name a table several times; they come but once.
 */
static List *
expand_deps(const BbgwToc *toc, List *old)
{
	List	   *deps = NIL;
	ListCell   *lc;

	foreach(lc, old)
	{
		int			dep = lfirst_int(lc);
		Split	   *split = find_split(toc, dep);

		deps = lappend_int(deps, dep);
		if (split == NULL || list_member_int(deps, split->first_extra_id))
			continue;
		if (split->dump_id != dep)
			deps = lappend_int(deps, split->dump_id);
		for (int i = 0; i < split->nextra; i++)
			deps = lappend_int(deps, split->first_extra_id + i);
	}
	return deps;
}

static void
write_entry(const BbgwToc *toc, BbgwTocFile *out, BbgwTocEntry *e)
{
	Split	   *split = find_split(toc, e->dump_id);

	if (e->section == BBGW_TOC_POST_DATA)
		e->deps = expand_deps(toc, e->deps);
	if (split == NULL || split->dump_id != e->dump_id)
	{
		bbgw_toc_file_entry(out, &toc->header, e);
		return;
	}

	e->deps = lcons_int(toc->encoding_id, e->deps);
	e->filename = split->files[0];
	bbgw_toc_file_entry(out, &toc->header, e);
	for (int i = 0; i < split->nextra; i++)
	{
		e->dump_id = split->first_extra_id + i;
		e->filename = split->files[i + 1];
		bbgw_toc_file_entry(out, &toc->header, e);
	}
}

/*
 * Writes the table of contents to the file "path", and flushes it to disk.
 *
 * The file is overwritten in place; after an error its content is undefined.
 * Needs a transaction.  Raises what bbgw_toc_file_header() does.
 */
void
bbgw_toc_write(const BbgwToc *toc, const char *path)
{
	MemoryContext entry_context;
	MemoryContext old_context;
	BbgwTocHeader ignored;
	BbgwTocHeader header = toc->header;
	BbgwTocFile in;
	BbgwTocFile out;
	BbgwTocEntry entry;

	entry_context = AllocSetContextCreate(CurrentMemoryContext,
										  "backup_bgw toc entry",
										  ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(entry_context);
	bbgw_toc_file_open(&in, toc->path, false);
	bbgw_toc_file_header(&in, &ignored);
	if (ignored.nentries != header.nentries)
		elog(ERROR, "file \"%s\" has changed", toc->path);

	bbgw_toc_file_open(&out, path, true);
	header.nentries += toc->nextra;
	bbgw_toc_file_header(&out, &header);
	for (int i = 0; i < toc->header.nentries; i++)
	{
		bbgw_bgworker_pause();
		bbgw_toc_file_entry(&in, &toc->header, &entry);
		write_entry(toc, &out, &entry);
		MemoryContextReset(entry_context);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(entry_context);
	bbgw_toc_file_close(&in);
	bbgw_toc_file_close(&out);
}
