/*-------------------------------------------------------------------------
 *
 * archive_objects.c
 *	  The large objects of an archive: files of the workers', and their lists.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "archive/archive_private.h"
#include "archive/objects.h"
#include "bgworker.h"
#include "paths.h"

/*
 * Path of the file that a worker writes a large object to.
 */
char *
bbgw_archive_object_path(const BbgwBackup *backup, Oid oid)
{
	char	   *partial = bbgw_path_partial(backup->order.destination);
	char	   *name = bbgw_name_object(oid);
	char	   *path = psprintf("%s/%s%s", partial, name, bbgw_archive_suffix(backup));

	pfree(name);
	pfree(partial);
	return path;
}

/*
 * Path of the file in which it reports what large objects it has written, of
 * a slice of them.
 */
char *
bbgw_archive_report_path(const BbgwBackup *backup, int slice)
{
	return psprintf("%s/%s", bbgw_path_partial(backup->order.destination),
					bbgw_name_objects(slice));
}

/*
 * Writes the lists of large objects.
 */
void
bbgw_archive_write_lists(BbgwArchive *archive)
{
	BbgwObjects *objects = &archive->toc->objects;
	BbgwSink   *sink;

	if (objects->n == 0)
		return;
	sink = bbgw_sink_create(BBGW_COMPRESSION_NONE, 0,
							&archive->backup->bytes_written, NULL,
							bbgw_directory_syncs_all(archive->dir));
	for (size_t i = 0; i < objects->ngroups; i++)
	{
		const BbgwObjectGroup *group = &objects->groups[i];
		BbgwFileInfo info;

		if (group->filename == NULL)
			elog(ERROR, "large objects of archive entry %d have no list",
				 group->dump_id);
		bbgw_sink_begin(sink,
						bbgw_path_in(archive->directory, group->filename));
		bbgw_objects_write_list(objects, group, sink);
		bbgw_sink_end(sink, &info);
		bbgw_archive_add_file(archive, group->filename, &info);
	}
	bbgw_objects_sort(objects);
}

/*
 * Takes the large objects that a worker has reported, with OIDs higher than
 * those before.  Those that pg_dump does not know are removed.
 */
void
bbgw_archive_add_objects(BbgwArchive *archive, int slice,
						 const BbgwFileInfo *report_info)
{
	char	   *report_name = bbgw_name_objects(slice);
	BbgwObjectReport *report;
	BbgwFileInfo info;
	Oid			oid;

	bbgw_directory_check(archive->dir);
	report = bbgw_object_report_open(bbgw_path_in(archive->directory, report_name),
									 report_info);
	while (bbgw_object_report_next(report, &oid, &info))
	{
		char	   *data_name = bbgw_name_object(oid);
		char	   *name = psprintf("%s%s", data_name, bbgw_archive_suffix(archive->backup));

		bbgw_bgworker_pause();
		if (bbgw_objects_have(&archive->toc->objects, oid))
			bbgw_archive_add_file(archive, name, &info);
		else
			bbgw_directory_unlink(archive->dir, name);
		pfree(name);
		pfree(data_name);
	}
	bbgw_directory_unlink(archive->dir, report_name);
	pfree(report_name);
}
