/*-------------------------------------------------------------------------
 *
 * directory.c
 *	  The directory of an archive that is being written.
 *
 * A backup takes hours, in a place that other programs can write to.  Whoever
 * cleans up there, moves things about or mounts something else must not make
 * us call an archive complete that is not, nor write into or remove what is
 * not ours.  So the directory and its parent are held open from the beginning.
 * Names are looked up relative to them; where that is not possible, as for the
 * data files, which are virtual file descriptors, and those of pg_dump, there
 * is a look whether the path still leads to the directory.  Before it gets its
 * final name, every file that the manifest names must be there: a file of the
 * user who made the directory, and as long as when it was written.
 *
 * Small files are made durable all at once in the end, where that is possible;
 * see bbgw_directory_syncs_all().
 *
 * The descriptors outlive the leader's transaction, as the directory has to be
 * removed when that has failed.  They are closed when the leader ends, which
 * has one archive only.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "archive/directory.h"
#include "archive/sync.h"
#include "paths.h"

typedef struct ExpectedFile
{
	char	   *name;
	uint64		size;
} ExpectedFile;

struct BbgwDirectory
{
	char	   *path;
	char	   *destination;
	char	   *parent;
	const char *name;			/* last component of path */
	const char *final_name;		/* of destination */
	int			parent_fd;
	int			fd;
	int			dump_fd;		/* of pg_dump's directory; -1: is no more */
	char	   *dump_path;
	bool		syncs_all;
	struct stat st;				/* of fd, when it was new */
	struct stat dump_st;
	struct stat parent_st;
	ExpectedFile *expected;
	size_t		nexpected;
	size_t		max_expected;
};

static const char *
last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * Is the directory to be found under this name in its parent?
 */
static bool
is_called(const BbgwDirectory *dir, const char *name)
{
	struct stat st;

	return fstatat(dir->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		same_file(&st, &dir->st);
}

/*
 * Creates a directory in one that is open, and opens it.
 */
static int
make_directory(int parent_fd, const char *name, const char *path,
			   struct stat *st)
{
	int			fd;

	ReserveExternalFD();
	if (mkdirat(parent_fd, name, S_IRWXU) != 0)
		ereport(ERROR,
				(bbgw_errcode_for_path(),
				 errmsg("could not create directory \"%s\": %m", path)));
	fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, st) != 0)
		ereport(ERROR,
				(bbgw_errcode_for_path(),
				 errmsg("could not open directory \"%s\": %m", path)));
	return fd;
}

/*
 * Creates <destination>.partial, for its owner only.  The result lives in the
 * current memory context.  Raises an error if that is not possible.
 */
BbgwDirectory *
bbgw_directory_create(const char *destination)
{
	BbgwDirectory *dir = palloc0(sizeof(BbgwDirectory));

	dir->path = bbgw_path_partial(destination);
	dir->destination = pstrdup(destination);
	dir->parent = pstrdup(destination);
	get_parent_directory(dir->parent);
	dir->name = last_component(dir->path);
	dir->final_name = last_component(dir->destination);

	dir->dump_path = bbgw_path_in(dir->path, BBGW_DUMP_DIR);
	dir->dump_fd = -1;

	ReserveExternalFD();
	dir->parent_fd = BasicOpenFile(dir->parent, O_RDONLY | O_DIRECTORY);
	if (dir->parent_fd < 0 || fstat(dir->parent_fd, &dir->parent_st) != 0)
		ereport(ERROR,
				(bbgw_errcode_for_path(),
				 errmsg("could not open directory \"%s\": %m", dir->parent)));
	dir->fd = make_directory(dir->parent_fd, dir->name, dir->path, &dir->st);
	dir->syncs_all = bbgw_sync_all_is_safe(dir->fd);
	return dir;
}

/*
 * Where the files are to be written.
 */
const char *
bbgw_directory_path(const BbgwDirectory *dir)
{
	return dir->path;
}

/*
 * Creates the directory that pg_dump is to write to, and returns its path.
 */
const char *
bbgw_directory_begin_dump(BbgwDirectory *dir)
{
	dir->dump_fd = make_directory(dir->fd, BBGW_DUMP_DIR, dir->dump_path,
								  &dir->dump_st);
	return dir->dump_path;
}

/*
 * Will bbgw_directory_finish() make all files durable?  If not, everybody does
 * with those that he has written.
 */
bool
bbgw_directory_syncs_all(const BbgwDirectory *dir)
{
	return dir->syncs_all;
}

/*
 * Raises an error if the path does not lead to the directory any more.  To be
 * called before the path is used.
 */
void
bbgw_directory_check(const BbgwDirectory *dir)
{
	struct stat st;

	if (stat(dir->parent, &st) != 0 || !same_file(&st, &dir->parent_st) ||
		!is_called(dir, dir->name) ||
		(dir->dump_fd >= 0 &&
		 (fstatat(dir->fd, BBGW_DUMP_DIR, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		  !same_file(&st, &dir->dump_st))))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" is not the directory that the backup has made", dir->path),
				 errdetail("It was moved, removed or replaced while the backup was running.")));
}

static void
unlink_in(int fd, const char *path, const char *name)
{
	if (unlinkat(fd, name, 0) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s/%s\": %m", path, name)));
}

/*
 * Removes a file.
 */
void
bbgw_directory_unlink(const BbgwDirectory *dir, const char *name)
{
	unlink_in(dir->fd, dir->path, name);
}

/*
 * Removes a file of pg_dump's.
 */
void
bbgw_directory_unlink_dumped(const BbgwDirectory *dir, const char *name)
{
	unlink_in(dir->dump_fd, dir->dump_path, name);
}

/*
 * Size of a file of pg_dump's.
 */
uint64
bbgw_directory_dumped_size(const BbgwDirectory *dir, const char *name)
{
	struct stat st;

	if (fstatat(dir->dump_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s/%s\": %m", dir->dump_path, name)));
	return (uint64) st.st_size;
}

/*
 * Makes a file of pg_dump's one of the archive.
 */
void
bbgw_directory_take_dumped(const BbgwDirectory *dir, const char *name)
{
	if (renameat(dir->dump_fd, name, dir->fd, name) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename file \"%s/%s\" to \"%s/%s\": %m",
						dir->dump_path, name, dir->path, name)));
}

static void
report_missing(const BbgwDirectory *dir, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("file \"%s\" of the archive is missing in \"%s\"",
					name, dir->path)));
}

/*
 * Gives a file its name in the archive.
 */
void
bbgw_directory_rename(const BbgwDirectory *dir, const char *from,
					  const char *to)
{
	if (renameat(dir->fd, from, dir->fd, to) == 0)
		return;
	if (errno == ENOENT)
		report_missing(dir, to);
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not rename file \"%s/%s\" to \"%s/%s\": %m",
					dir->path, from, dir->path, to)));
}

/*
 * Says that in the end there must be a file of this name and size.
 */
void
bbgw_directory_expect(BbgwDirectory *dir, const char *name, uint64 size)
{
	if (dir->nexpected == dir->max_expected)
	{
		dir->max_expected = Max(64, 2 * dir->max_expected);
		if (dir->expected == NULL)
			dir->expected = palloc(dir->max_expected * sizeof(ExpectedFile));
		else
			dir->expected = repalloc_huge(dir->expected,
										  dir->max_expected * sizeof(ExpectedFile));
	}
	dir->expected[dir->nexpected].name =
		MemoryContextStrdup(GetMemoryChunkContext(dir), name);
	dir->expected[dir->nexpected].size = size;
	dir->nexpected++;
}

static void
check_file(const BbgwDirectory *dir, const ExpectedFile *file)
{
	struct stat st;

	if (fstatat(dir->fd, file->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
	{
		if (errno == ENOENT)
			report_missing(dir, file->name);
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s/%s\": %m", dir->path, file->name)));
	}
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("file \"%s\" of the archive in \"%s\" is not a regular file",
						file->name, dir->path)));
	if (st.st_uid != dir->st.st_uid)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" of the archive in \"%s\" belongs to another user",
						file->name, dir->path)));
	if ((uint64) st.st_size != file->size)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" of the archive in \"%s\" has %lld bytes instead of " UINT64_FORMAT,
						file->name, dir->path, (long long) st.st_size, file->size)));
}

/*
 * Makes sure that all files are there that are expected, and renames the
 * directory to its destination.  When this returns, it is there to stay; if it
 * raises an error, it is not there under that name.
 */
void
bbgw_directory_finish(BbgwDirectory *dir)
{
	for (size_t i = 0; i < dir->nexpected; i++)
	{
		CHECK_FOR_INTERRUPTS();
		check_file(dir, &dir->expected[i]);
	}
	if ((dir->syncs_all && !bbgw_sync_all(dir->fd)) || !bbgw_sync_directory(dir->fd))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fsync directory \"%s\": %m", dir->path)));

	bbgw_directory_check(dir);
	if (renameat(dir->parent_fd, dir->name,
				 dir->parent_fd, dir->final_name) != 0)
		ereport(ERROR,
				(bbgw_errcode_for_path(),
				 errmsg("could not rename directory \"%s\" to \"%s\": %m",
						dir->path, dir->destination)));
	if (!is_called(dir, dir->final_name))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" is not the directory that the backup has made",
						dir->destination)));
	if (!bbgw_sync_directory(dir->parent_fd))
	{
		int			save_errno = errno;

		/* it might be there after a crash, or not: better not at all */
		(void) renameat(dir->parent_fd, dir->final_name,
						dir->parent_fd, dir->name);
		errno = save_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fsync directory \"%s\": %m", dir->parent)));
	}
}

/*
 * Removes all files in a directory, but for the one called "keep" (NULL: all).
 * Subdirectories go only if they are empty.  What goes wrong is reported with elevel; if that is below ERROR, returns
 * false then.
 */
static bool
clear(int dir_fd, const char *path, const char *keep, int elevel)
{
	/* a descriptor with a position of its own */
	int			fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY);
	DIR		   *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	int			save_errno = 0;

	if (stream == NULL)
	{
		ereport(elevel,
				(errcode_for_file_access(),
				 errmsg("could not open directory \"%s\": %m", path)));
		return false;
	}
	while (errno = 0, (de = readdir(stream)) != NULL)
	{
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0 ||
			(keep && strcmp(de->d_name, keep) == 0) ||
			unlinkat(dir_fd, de->d_name, 0) == 0)
			continue;
		/* for a directory, POSIX has EPERM */
		if ((errno == EISDIR || errno == EPERM) &&
			unlinkat(dir_fd, de->d_name, AT_REMOVEDIR) == 0)
			continue;
		if (errno != ENOENT)
			save_errno = errno;
	}
	if (errno != 0)
		save_errno = errno;
	closedir(stream);

	if (save_errno != 0)
	{
		errno = save_errno;
		ereport(elevel,
				(errcode_for_file_access(),
				 errmsg("could not empty directory \"%s\": %m", path)));
		return false;
	}
	return true;
}

/*
 * Removes what pg_dump has written, but for the file called "keep" (NULL: all).
 */
void
bbgw_directory_clear_dump(const BbgwDirectory *dir, const char *keep)
{
	(void) clear(dir->dump_fd, dir->dump_path, keep, ERROR);
}

/*
 * Removes pg_dump's directory, from which everything was taken.
 */
void
bbgw_directory_end_dump(BbgwDirectory *dir)
{
	if (unlinkat(dir->fd, BBGW_DUMP_DIR, AT_REMOVEDIR) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not remove directory \"%s\": %m", dir->dump_path)));
	close(dir->dump_fd);
	ReleaseExternalFD();
	dir->dump_fd = -1;
}

/*
 * Removes the directory and its files.  Raises nothing; what cannot be removed
 * is logged.
 */
void
bbgw_directory_remove(BbgwDirectory *dir)
{
	const char *name = is_called(dir, dir->name) ? dir->name : dir->final_name;

	if (dir->dump_fd >= 0)
		(void) clear(dir->dump_fd, dir->dump_path, NULL, LOG);
	if (!clear(dir->fd, dir->path, NULL, LOG))
		return;
	if (!is_called(dir, name))
		ereport(LOG,
				(errmsg("could not remove unfinished backup: \"%s\" is not the directory that it has made",
						dir->path)));
	else if (unlinkat(dir->parent_fd, name, AT_REMOVEDIR) != 0)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not remove directory \"%s\": %m", dir->path)));
}
