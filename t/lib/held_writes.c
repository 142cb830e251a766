/*
 * Stands between a server and libc (LD_PRELOAD), and makes a file system that
 * blocks.  As long as there is a file "hold" in the directory $HOLD_DIR, a
 * process that writes to a data file of an archive writes its process ID to a
 * file "held" there, and waits; with a file "hold_truncation" one that is about
 * to truncate a file of a database, in "held_truncation".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static void
hold_as(int fd, const char *what, const char *part1, const char *part2)
{
	const char *dir = getenv("HOLD_DIR");
	char		path[1024];
	char		target[1024];
	FILE	   *file;
	ssize_t		len;

	if (dir == NULL)
		return;
	snprintf(path, sizeof(path), "%s/hold%s", dir, what);
	if (access(path, F_OK) != 0)
		return;
	snprintf(target, sizeof(target), "/proc/self/fd/%d", fd);
	len = readlink(target, path, sizeof(path) - 1);
	if (len < 0)
		return;
	path[len] = '\0';
	if (strstr(path, part1) == NULL || strstr(path, part2) == NULL)
		return;
	snprintf(path, sizeof(path), "%s/held%s", dir, what);
	file = fopen(path, "w");
	if (file != NULL)
	{
		fprintf(file, "%d\n", (int) getpid());
		fclose(file);
	}
	snprintf(path, sizeof(path), "%s/hold%s", dir, what);
	while (access(path, F_OK) == 0)
		usleep(10000);
}

static void
hold(int fd)
{
	hold_as(fd, "", ".partial/rows_", "");
	hold_as(fd, "", ".partial/blob_", "");
}

#define HELD(name, offset_type) \
int \
name(int fd, offset_type size) \
{ \
	int			(*real) (int, offset_type) = dlsym(RTLD_NEXT, #name); \
	hold_as(fd, "_truncation", "/base/", ""); \
	return real(fd, size); \
}
HELD(ftruncate, off_t)
HELD(ftruncate64, off64_t)
#undef HELD
#define HELD(name, last_type, offset_type) \
ssize_t \
name(int fd, const void *data, last_type n, offset_type offset) \
{ \
	ssize_t (*real) (int, const void *, last_type, offset_type) = dlsym(RTLD_NEXT, #name); \
	hold(fd); \
	return real(fd, data, n, offset); \
}
HELD(pwrite, size_t, off_t)
HELD(pwrite64, size_t, off64_t)
#undef HELD
#define HELD(name, offset_type) \
ssize_t \
name(int fd, const struct iovec *iov, int n, offset_type offset) \
{ \
	ssize_t (*real) (int, const struct iovec *, int, offset_type) = dlsym(RTLD_NEXT, #name); \
	hold(fd); \
	return real(fd, iov, n, offset); \
}
HELD(pwritev, off_t)
HELD(pwritev64, off64_t)
