/*-------------------------------------------------------------------------
 *
 * sync.c
 *	  Makes files durable: many at once, and directories.
 *
 * A file of its own for each of 100,000 small tables, each with an fsync(),
 * takes longer than reading the tables.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef HAVE_SYNCFS
#include <sys/utsname.h>
#include <sys/vfs.h>
#endif
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "archive/sync.h"

/*
 * Can all files of the file system that "fd" is in be made durable at once,
 * and are errors told then, as fsync() tells them?  That is so on Linux, since
 * 5.8, for those file systems that keep their data themselves.  Others, of
 * which there are many, may pass it on to a server only if they are asked for a
 * file.
 */
bool
bbgw_sync_all_is_safe(int fd)
{
#ifdef HAVE_SYNCFS
	struct utsname kernel;
	struct statfs fs;
	int			major;
	int			minor;

	if (uname(&kernel) != 0 ||
		sscanf(kernel.release, "%d.%d", &major, &minor) != 2 ||
		major < 5 || (major == 5 && minor < 8) ||
		fstatfs(fd, &fs) != 0)
		return false;
	switch ((uint32) fs.f_type)
	{
		case 0xEF53:			/* ext2, ext3, ext4 */
		case 0x58465342:		/* XFS */
		case 0x9123683E:		/* Btrfs */
		case 0xF2F52010:		/* F2FS */
		case 0x2FC12FC1:		/* ZFS */
		case 0x01021994:		/* tmpfs */
			return true;
	}
#endif
	return false;
}

/*
 * Flushes the file system that "fd" is in to disk, where that is safe, unless
 * fsync is off.  Returns false, with errno set, if anything that was written
 * there since "fd" was opened could not be.
 */
bool
bbgw_sync_all(int fd)
{
#ifdef HAVE_SYNCFS
	return !enableFsync || syncfs(fd) == 0;
#else
	return true;
#endif
}

/*
 * Flushes the entries of a directory to disk, where the file system can.
 * Returns false, with errno set, if that fails.
 */
bool
bbgw_sync_directory(int fd)
{
	return pg_fsync(fd) == 0 || errno == EBADF || errno == EINVAL;
}
