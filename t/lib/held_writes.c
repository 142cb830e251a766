/*
 * Stands between a server and libc (LD_PRELOAD), and makes a file system that
 * blocks.  As long as there is a file "hold" in the directory $HOLD_DIR, a
 * process that writes to a data file of an archive writes its process ID to a
 * file "held" there, and waits.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static void
hold(int fd)
{
	const char *dir = getenv("HOLD_DIR");
	char		path[1024];
	char		target[1024];
	FILE	   *file;
	ssize_t		len;

	if (dir == NULL)
		return;
	snprintf(path, sizeof(path), "%s/hold", dir);
	if (access(path, F_OK) != 0)
		return;
	snprintf(target, sizeof(target), "/proc/self/fd/%d", fd);
	len = readlink(target, path, sizeof(path) - 1);
	if (len < 0)
		return;
	path[len] = '\0';
	if (strstr(path, ".partial/") == NULL || strstr(path, ".dat") == NULL)
		return;
	snprintf(path, sizeof(path), "%s/held", dir);
	file = fopen(path, "w");
	if (file != NULL)
	{
		fprintf(file, "%d\n", (int) getpid());
		fclose(file);
	}
	snprintf(path, sizeof(path), "%s/hold", dir);
	while (access(path, F_OK) == 0)
		usleep(10000);
}

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
