/*-------------------------------------------------------------------------
 *
 * objects.c
 *	  Large objects: what pg_dump lists, and what the workers have written.
 *
 * From 17 on pg_dump writes lists of the large objects there are, one for each
 * group of them, which stay as they are, as pg_restore wants them.  Up to 16 there
 * is one list of all, by OID.  That is left to us, as pg_dump would take long
 * (asof_objects.c); all of them have an entry in the table of contents, too.  A
 * line is
 *
 *	 <oid> blob_<oid>.dat
 *
 * There may be many millions, each with a file of its own.  So a worker leaves a
 * report of those that it has written, in a file, for the manifest to be made
 * from: an ObjectEntry for each, by OID.  The leader compares the reports, all in
 * the order of OIDs, with what pg_dump knows, of which it keeps the OIDs in memory.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/fd.h"

#include "archive/objects.h"
#include "bgworker.h"

/* One in a report */
typedef struct ObjectEntry
{
	uint64		size;
	int64		mtime;
	Oid			oid;
	uint8		checksum[4];
} ObjectEntry;

struct BbgwObjectReport
{
	const char *path;
	FILE	   *file;
	uint64		size;			/* in bytes, as written */
	uint64		read;
	BbgwFileInfo info;			/* what it must be like */
	pg_checksum_context checksum;
};

/*
 * Adds the file of a large object to the report that is being written to
 * "sink".
 */
void
bbgw_object_report_add(BbgwSink *sink, Oid oid, const BbgwFileInfo *info)
{
	ObjectEntry entry = {
		.size = info->size,
		.mtime = info->mtime,
		.oid = oid
	};

	Assert(info->checksum_len == sizeof(entry.checksum));
	memcpy(entry.checksum, info->checksum, sizeof(entry.checksum));
	bbgw_sink_write(sink, (const char *) &entry, sizeof(entry));
}

static void
report_damage(const char *path)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("file \"%s\" is not what the backup has written", path)));
}

/*
 * Begins to read a report.  "info" says what was written.
 */
BbgwObjectReport *
bbgw_object_report_open(const char *path, const BbgwFileInfo *info)
{
	BbgwObjectReport *report = palloc0(sizeof(BbgwObjectReport));

	report->path = pstrdup(path);
	report->info = *info;
	report->file = AllocateFile(path, PG_BINARY_R);
	if (report->file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	if (pg_checksum_init(&report->checksum, CHECKSUM_TYPE_CRC32C) < 0)
		elog(ERROR, "could not initialize checksum of file \"%s\"", path);
	return report;
}

/*
 * The next large object of a report, and its file.  Returns false at the end,
 * having closed it.  Raises an error if it is not what was written.
 */
bool
bbgw_object_report_next(BbgwObjectReport *report, Oid *oid, BbgwFileInfo *info)
{
	ObjectEntry entry;
	uint8		checksum[PG_CHECKSUM_MAX_LENGTH];

	if (report->read < report->info.size)
	{
		if (fread(&entry, sizeof(entry), 1, report->file) != 1)
		{
			if (ferror(report->file))
				ereport(ERROR,
						(errcode_for_file_access(),
						 errmsg("could not read file \"%s\": %m", report->path)));
			report_damage(report->path);
		}
		if (pg_checksum_update(&report->checksum, (const uint8 *) &entry,
							   sizeof(entry)) < 0)
			elog(ERROR, "could not update checksum of file \"%s\"", report->path);
		report->read += sizeof(entry);
		*oid = entry.oid;
		info->size = entry.size;
		info->mtime = (pg_time_t) entry.mtime;
		info->checksum_len = sizeof(entry.checksum);
		memcpy(info->checksum, entry.checksum, sizeof(entry.checksum));
		return true;
	}

	if (pg_checksum_final(&report->checksum, checksum) != report->info.checksum_len ||
		memcmp(checksum, report->info.checksum, report->info.checksum_len) != 0)
		report_damage(report->path);
	FreeFile(report->file);
	pfree(report);
	return false;
}

/*
 * Adds a large object to "list", which is empty at first, all zeros.
 */
void
bbgw_object_list_add(BbgwObjectList *list, Oid oid)
{
	if (list->n == list->max)
	{
		list->max = Max(1024, 2 * list->max);
		list->oids = list->oids == NULL ?
			palloc(list->max * sizeof(Oid)) :
			repalloc_huge(list->oids, list->max * sizeof(Oid));
	}
	list->oids[list->n++] = oid;
}

/*
 * Adds those of a list that pg_dump has written.
 */
void
bbgw_object_list_read(BbgwObjectList *list, const char *path)
{
	FILE	   *file = AllocateFile(path, PG_BINARY_R);
	char		line[64];

	if (file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	while (fgets(line, sizeof(line), file) != NULL)
	{
		char	   *end;
		unsigned long oid = strtoul(line, &end, 10);

		bbgw_bgworker_pause();
		if (end == line || *end != ' ' || end[strlen(end) - 1] != '\n' ||
			oid == InvalidOid || oid > OID_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("unexpected line in file \"%s\"", path)));
		bbgw_object_list_add(list, (Oid) oid);
	}
	if (ferror(file))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", path)));
	FreeFile(file);
}

/*
 * Writes a line of a list of ours.
 */
void
bbgw_object_list_write(BbgwSink *sink, Oid oid, const char *name)
{
	char		line[64];
	int			len = snprintf(line, sizeof(line), "%u %s\n", oid, name);

	bbgw_sink_write(sink, line, len);
}

static int
compare_oids(const void *a, const void *b)
{
	Oid			x = *(const Oid *) a;
	Oid			y = *(const Oid *) b;

	return x < y ? -1 : x > y ? 1 : 0;
}

/*
 * To be called when all lists have been read.
 */
void
bbgw_object_list_sort(BbgwObjectList *list)
{
	if (list->n > 1)
		qsort(list->oids, list->n, sizeof(Oid), compare_oids);
	list->next = 0;
}

static void
report_missing(Oid oid)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("large object %u was not read", oid),
			 errdetail("pg_dump has listed it.")));
}

/*
 * Has pg_dump listed this large object, of which there is a file?  To be asked
 * in the order of OIDs, once for each.  Raises an error if of one before that
 * there is none.
 */
bool
bbgw_object_list_has(BbgwObjectList *list, Oid oid)
{
	if (list->next == list->n || list->oids[list->next] > oid)
		return false;
	if (list->oids[list->next] < oid)
		report_missing(list->oids[list->next]);
	list->next++;
	return true;
}

/*
 * Raises an error if there is any left.
 */
void
bbgw_object_list_end(const BbgwObjectList *list)
{
	if (list->next < list->n)
		report_missing(list->oids[list->next]);
}
