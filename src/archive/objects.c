/*-------------------------------------------------------------------------
 *
 * objects.c
 *	  Large objects: those that pg_dump knows, and those that workers have written.
 *
 * pg_dump's table of contents says which there are.  From 17 on it has a BLOB
 * METADATA entry for each group of them, which has their OIDs, and a BLOBS entry
 * for the group's data.  Up to 16 there is a BLOB entry for each, and one BLOBS
 * entry for all.  The file of a BLOBS entry is a list, with a line for each
 *
 *	 <oid> blob_<oid>.dat
 *
 * by OID.  These are written here, as pg_dump does not come to it
 * (asof_dump.c).
 *
 * There may be many millions, each with a file of its own.  So a worker leaves a
 * report of those that it has written, in a file, for the manifest to be made
 * from: an ObjectEntry for each, by OID.  The leader compares the reports, all in
 * the order of OIDs, with what pg_dump knows, of which it keeps the OIDs in
 * memory.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/fd.h"
#include "utils/builtins.h"

#include "archive/objects.h"
#include "bgworker.h"
#include "paths.h"

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
	uint64		read;			/* bytes, so far */
	BbgwFileInfo info;			/* what it must be like */
	pg_checksum_context checksum;
};

/*
 * Makes room in an array of *max elements, NULL if that is 0.
 */
static void *
grow(void *array, size_t *max, size_t size)
{
	*max = Max(64, 2 * *max);
	return array == NULL ? palloc(*max * size) :
		repalloc_huge(array, *max * size);
}

/*
 * Adds a large object.
 */
void
bbgw_objects_add(BbgwObjects *objects, Oid oid)
{
	if (objects->n == objects->max)
		objects->oids = grow(objects->oids, &objects->max, sizeof(Oid));
	objects->oids[objects->n++] = oid;
}

static BbgwObjectGroup *
add_group(BbgwObjects *objects, int dump_id)
{
	BbgwObjectGroup *group;

	if (objects->ngroups == objects->max_groups)
		objects->groups = grow(objects->groups, &objects->max_groups,
							   sizeof(BbgwObjectGroup));
	group = &objects->groups[objects->ngroups++];
	memset(group, 0, sizeof(BbgwObjectGroup));
	group->dump_id = dump_id;
	group->first = objects->n;
	return group;
}

/*
 * Adds a group, the large objects that a BLOB METADATA entry creates.  "oids" is
 * its definition, with an OID in each line.
 */
void
bbgw_objects_add_group(BbgwObjects *objects, int dump_id, const char *oids)
{
	BbgwObjectGroup *group = add_group(objects, dump_id);

	while (oids && *oids != '\0')
	{
		char	   *end;
		unsigned long oid = strtoul(oids, &end, 10);

		if (end == oids || *end != '\n' || oid == InvalidOid || oid > OID_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("unexpected definition of large objects in archive entry %d",
							dump_id)));
		bbgw_objects_add(objects, (Oid) oid);
		oids = end + 1;
	}
	group->n = objects->n - group->first;
}

/*
 * There is a list of the large objects that the entry "dump_id" creates, or if
 * no entry creates several, of all.  Lists come in the order of groups.
 */
void
bbgw_objects_add_list(BbgwObjects *objects, int dump_id, const char *filename)
{
	BbgwObjectGroup *group = NULL;

	if (objects->ngroups == 0 && objects->n > 0)
	{
		group = add_group(objects, 0);
		group->first = 0;
		group->n = objects->n;
		bbgw_objects_sort(objects);
	}
	else
		while (objects->next_group < objects->ngroups && group == NULL)
			if (objects->groups[objects->next_group++].dump_id == dump_id)
				group = &objects->groups[objects->next_group - 1];
	if (group == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("unexpected list \"%s\" of large objects in an archive",
						filename)));
	group->filename = pstrdup(filename);
}

/*
 * Writes a list.
 */
void
bbgw_objects_write_list(const BbgwObjects *objects,
						const BbgwObjectGroup *group, BbgwSink *sink)
{
	for (size_t i = group->first; i < group->first + group->n; i++)
	{
		char	   *name = bbgw_name_object(objects->oids[i]);
		char		line[64];
		int			len = snprintf(line, sizeof(line), "%u %s\n",
								   objects->oids[i], name);

		bbgw_bgworker_pause();
		bbgw_sink_write(sink, line, len);
		pfree(name);
	}
}

/*
 * Puts all in the order of OIDs.  If there are several groups, these are lost.
 */
void
bbgw_objects_sort(BbgwObjects *objects)
{
	if (objects->n > 1)
		qsort(objects->oids, objects->n, sizeof(Oid), oid_cmp);
}

static void
report_missing(Oid oid)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("large object %u was not read", oid),
			 errdetail("It is in the table of contents.")));
}

/*
 * Does pg_dump know this large object, of which there is a file?  To be asked
 * after sorting, in the order of OIDs, once for each.  Raises an error if of one
 * before that there is none.
 */
bool
bbgw_objects_have(BbgwObjects *objects, Oid oid)
{
	if (objects->next == objects->n || objects->oids[objects->next] > oid)
		return false;
	if (objects->oids[objects->next] < oid)
		report_missing(objects->oids[objects->next]);
	objects->next++;
	return true;
}

/*
 * Raises an error if there is any left.
 */
void
bbgw_objects_end(const BbgwObjects *objects)
{
	if (objects->next < objects->n)
		report_missing(objects->oids[objects->next]);
}

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
