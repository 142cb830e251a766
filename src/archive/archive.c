/*-------------------------------------------------------------------------
 *
 * archive.c
 *	  The archive directory, from its making to its renaming.
 *
 * What is written is a directory archive of pg_dump (paths.h lists its files)
 * plus a manifest.  In this order:
 *
 * 1. <destination>.partial is created, and pg_dump writes an archive into it
 *	  whose data files of plain tables have no rows.
 * 2. Those files are overwritten by the table workers.  What else pg_dump
 *	  wrote, large objects and filtered configuration tables, is
 *	  compressed by the leader in the meantime.
 * 3. toc.dat gets the file names of tables in several pieces.  The manifest is
 *	  written, everything is fsynced, and the directory is renamed.
 *
 * toc.dat says that the archive was created when the backup was started, which
 * is how the archive of a certain backup is known (find.c).
 *
 * So a directory without the suffix is a complete backup, whatever happens.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "archive/archive.h"
#include "archive/directory.h"
#include "archive/manifest.h"
#include "paths.h"

/* what pg_dump writes for a table without rows */
#define NO_ROWS "\\.\n\n\n"

/* A file of pg_dump's that stays */
typedef struct DumpedFile
{
	char	   *name;
	uint64		size;
} DumpedFile;

/* A table whose rows the table workers write */
typedef struct DataEntry
{
	int			dump_id;
	int			nslices;
} DataEntry;

struct BbgwArchive
{
	BbgwBackup *backup;
	BbgwDirectory *dir;
	const char *directory;		/* its path */
	BbgwToc    *toc;
	HTAB	   *tables;			/* of DataEntry */
	List	   *dumped;			/* of DumpedFile */
	BbgwManifest *manifest;
};

static bool
ends_with(const char *name, const char *suffix)
{
	size_t		len = strlen(name);
	size_t		suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static const char *
suffix(const BbgwBackup *backup)
{
	return backup->order.compression == BBGW_COMPRESSION_LZ4 ? BBGW_LZ4_SUFFIX : "";
}

/*
 * Path of the file that a worker writes a slice of a table to.
 */
char *
bbgw_archive_data_path(const BbgwBackup *backup, int dump_id, int slice)
{
	return psprintf("%s/%s%s", bbgw_path_partial(backup->order.destination),
					bbgw_name_data(dump_id, slice), suffix(backup));
}

/*
 * Creates the directory of a backup that is not complete yet.
 */
BbgwArchive *
bbgw_archive_create(BbgwBackup *backup)
{
	BbgwArchive *archive = palloc0(sizeof(BbgwArchive));
	HASHCTL		ctl = {
		.keysize = sizeof(int),
		.entrysize = sizeof(DataEntry)
	};

	archive->backup = backup;
	archive->tables = hash_create("backup_bgw data entries", 256, &ctl,
								  HASH_ELEM | HASH_BLOBS);
	archive->dir = bbgw_directory_create(backup->order.destination);
	archive->directory = bbgw_directory_path(archive->dir);
	return archive;
}

/*
 * Removes what pg_dump has written, so that another one can write.
 */
void
bbgw_archive_clear(BbgwArchive *archive)
{
	bbgw_directory_check(archive->dir);
	(void) bbgw_directory_clear(archive->dir, ERROR);
}

/*
 * Where pg_dump is to write.
 */
const char *
bbgw_archive_directory(const BbgwArchive *archive)
{
	return archive->directory;
}

/*
 * Reads the table of contents that pg_dump has written.
 */
BbgwToc *
bbgw_archive_read_toc(BbgwArchive *archive)
{
	bbgw_directory_check(archive->dir);
	archive->toc =
		bbgw_toc_read(bbgw_path_in(archive->directory, BBGW_TOC_NAME));
	return archive->toc;
}

/*
 * Makes sure that pg_dump has put no rows into a data file that a worker will
 * write, and gives it its final name.  Removing it, for the worker to create
 * it again, would be simpler, but file systems are slow at that when the files
 * are many.
 */
static void
claim_empty(BbgwArchive *archive, const char *name)
{
	char	   *path = bbgw_path_in(archive->directory, name);
	char		content[sizeof(NO_ROWS)];
	FILE	   *file = AllocateFile(path, PG_BINARY_R);
	size_t		n;

	if (file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	n = fread(content, 1, sizeof(content), file);
	FreeFile(file);
	if (n != strlen(NO_ROWS) || memcmp(content, NO_ROWS, n) != 0)
		elog(ERROR, "pg_dump has written rows to \"%s\"", path);

	if (archive->backup->order.compression != BBGW_COMPRESSION_NONE)
	{
		char	   *final_name = psprintf("%s%s", name, suffix(archive->backup));

		bbgw_directory_rename(archive->dir, name, final_name);
		pfree(final_name);
	}
	pfree(path);
}

/*
 * Table workers will write the data of this table, in so many slices.
 */
void
bbgw_archive_add_table(BbgwArchive *archive, int dump_id, int nslices)
{
	DataEntry  *entry = hash_search(archive->tables, &dump_id, HASH_ENTER,
									NULL);

	entry->nslices = nslices;
}

/*
 * Prepares the data files that the workers will write, and notes all others
 * but toc.dat.  Returns the size of those.  To be called when all tables are
 * added, before the workers begin.
 */
uint64
bbgw_archive_take_over(BbgwArchive *archive)
{
	HASH_SEQ_STATUS seq;
	DataEntry  *entry;
	uint64		size = 0;
	DIR		   *dir;
	struct dirent *de;

	dir = AllocateDir(archive->directory);
	while ((de = ReadDir(dir, archive->directory)) != NULL)
	{
		char	   *path;
		char	   *end;
		int			dump_id = (int) strtol(de->d_name, &end, 10);
		DumpedFile *file;
		struct stat st;

		CHECK_FOR_INTERRUPTS();
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0 ||
			strcmp(de->d_name, BBGW_TOC_NAME) == 0)
			continue;
		if (end != de->d_name && strcmp(end, BBGW_DATA_SUFFIX) == 0 &&
			hash_search(archive->tables, &dump_id, HASH_FIND, NULL))
			continue;

		path = bbgw_path_in(archive->directory, de->d_name);
		if (stat(path, &st) != 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not stat file \"%s\": %m", path)));
		file = palloc(sizeof(DumpedFile));
		file->name = pstrdup(de->d_name);
		file->size = st.st_size;
		size += st.st_size;
		archive->dumped = lappend(archive->dumped, file);
		pfree(path);
	}
	FreeDir(dir);

	/* not while the directory is being read, which might list new names */
	hash_seq_init(&seq, archive->tables);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		claim_empty(archive, bbgw_name_data(entry->dump_id, 0));
	}
	return size;
}

static BbgwManifest *
manifest(BbgwArchive *archive)
{
	if (archive->manifest == NULL)
	{
		bbgw_directory_check(archive->dir);
		archive->manifest =
			bbgw_manifest_begin(bbgw_path_in(archive->directory,
											 BBGW_MANIFEST_NAME));
	}
	return archive->manifest;
}

static void
add_to_manifest(BbgwArchive *archive, const char *name,
				const BbgwFileInfo *info)
{
	bbgw_directory_expect(archive->dir, name, info->size);
	bbgw_manifest_add(manifest(archive), name, info->size, info->mtime,
					  BBGW_MANIFEST_CHECKSUM, info->checksum,
					  info->checksum_len);
}

/* Puts a file that is as it should be into the manifest, and makes it durable. */
static void
add_as_is(BbgwArchive *archive, const char *name)
{
	char	   *path = bbgw_path_in(archive->directory, name);
	uint8		checksum[PG_CHECKSUM_MAX_LENGTH];
	uint64		size;
	pg_time_t	mtime;
	int			len;

	fsync_fname(path, false);
	len = bbgw_manifest_checksum_file(path, &size, &mtime, checksum);
	bbgw_directory_expect(archive->dir, name, size);
	bbgw_manifest_add(manifest(archive), name, size, mtime,
					  BBGW_MANIFEST_CHECKSUM, checksum, len);
	pg_atomic_fetch_add_u64(&archive->backup->bytes_written, size);
	pfree(path);
}

static void
compress_file(BbgwArchive *archive, BbgwSink *sink, const char *name,
			  char *buffer,
			  size_t buffer_size,
			  void (*pause) (void))
{
	char	   *path = bbgw_path_in(archive->directory, name);
	char	   *compressed_name = psprintf("%s%s", name, suffix(archive->backup));
	FILE	   *file = AllocateFile(path, PG_BINARY_R);
	BbgwFileInfo info;
	size_t		n;

	if (file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));

	bbgw_sink_begin(sink, bbgw_path_in(archive->directory, compressed_name));
	while ((n = fread(buffer, 1, buffer_size, file)) > 0)
	{
		pause();
		bbgw_sink_write(sink, buffer, n);
		pg_atomic_fetch_add_u64(&archive->backup->bytes_done, n);
	}
	if (ferror(file))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", path)));
	FreeFile(file);
	bbgw_sink_end(sink, &info);

	bbgw_directory_unlink(archive->dir, name);
	add_to_manifest(archive, compressed_name, &info);
	pfree(compressed_name);
	pfree(path);
}

/*
 * Compresses the data files that pg_dump has written, and puts them into the
 * manifest.  The lists of large objects stay as they are, as pg_restore 15
 * wants them.  Calls "pause" every now and then, which may raise errors.
 */
void
bbgw_archive_convert(BbgwArchive *archive, void (*pause) (void))
{
	BbgwBackup *backup = archive->backup;
	size_t		buffer_size = 64 * 1024;
	char	   *buffer = palloc(buffer_size);
	BbgwSink   *sink = bbgw_sink_create(backup->order.compression,
										backup->order.compression_level,
										&backup->bytes_written,
										NULL);
	ListCell   *lc;

	foreach(lc, archive->dumped)
	{
		DumpedFile *file = lfirst(lc);

		pause();
		if (backup->order.compression != BBGW_COMPRESSION_NONE &&
			ends_with(file->name, BBGW_DATA_SUFFIX))
			compress_file(archive, sink, file->name, buffer, buffer_size,
						  pause);
		else
		{
			add_as_is(archive, file->name);
			pg_atomic_fetch_add_u64(&backup->bytes_done, file->size);
		}
	}
	pfree(buffer);
}

/*
 * Writes the final table of contents.  Entries of tables in one piece need no
 * change: pg_dump named their files as we do.
 */
static void
write_toc(BbgwArchive *archive)
{
	bbgw_toc_set_created(archive->toc,
						 timestamptz_to_time_t(archive->backup->order.started_at));
	bbgw_toc_set_compression(archive->toc,
							 archive->backup->order.compression == BBGW_COMPRESSION_LZ4);
	for (int i = 0; i < archive->toc->nentries; i++)
	{
		BbgwTocEntry *entry = archive->toc->entries[i];
		DataEntry  *data = hash_search(archive->tables, &entry->dump_id,
									   HASH_FIND, NULL);

		if (data && data->nslices > 1)
		{
			char	  **names = palloc_array(char *, data->nslices);

			for (int slice = 0; slice < data->nslices; slice++)
				names[slice] = bbgw_name_data(entry->dump_id, slice);
			bbgw_toc_set_files(archive->toc, entry, data->nslices, names);
		}
	}
	bbgw_toc_write(archive->toc,
				   bbgw_path_in(archive->directory, BBGW_TOC_NAME));
}

/*
 * Puts the data file that a worker has written, and made durable, into the
 * manifest.
 */
void
bbgw_archive_add_data(BbgwArchive *archive, int dump_id, int slice,
					  const BbgwFileInfo *info)
{
	char	   *name = psprintf("%s%s", bbgw_name_data(dump_id, slice),
								suffix(archive->backup));

	add_to_manifest(archive, name, info);
	pfree(name);
}

/*
 * Completes the archive, all of whose data is there, and renames it to its
 * destination.  When this returns, the backup is there to stay.
 */
void
bbgw_archive_finish(BbgwArchive *archive)
{
	bbgw_directory_check(archive->dir);
	write_toc(archive);
	add_as_is(archive, BBGW_TOC_NAME);
	bbgw_directory_expect(archive->dir, BBGW_MANIFEST_NAME,
						  bbgw_manifest_end(archive->manifest));
	bbgw_directory_finish(archive->dir);
}

/*
 * Removes what there is of an archive that will not be completed.  Raises
 * nothing; what cannot be removed is logged.
 */
void
bbgw_archive_remove(BbgwArchive *archive)
{
	bbgw_directory_remove(archive->dir);
}
