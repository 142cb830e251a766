/*
 * Stands between a server and its libraries (LD_PRELOAD), and makes a file
 * system that blocks, and compression that takes long.  As long as there is a
 * file "hold" in the directory $HOLD_DIR, a process that writes to a data file of
 * an archive writes its process ID to a file "held" there, and waits; with a file
 * "hold_truncation" one that is about to truncate a file of a database, in
 * "held_truncation"; with a file "hold_compression" one that is about to compress
 * a block, in "held_compression".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int
is_to_hold(const char *what)
{
	const char *dir = getenv("HOLD_DIR");
	char		path[1024];

	if (dir == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s/hold%s", dir, what);
	return access(path, F_OK) == 0;
}

static void
hold_here(const char *what)
{
	const char *dir = getenv("HOLD_DIR");
	char		path[1024];
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/held%s", dir, what);
	file = fopen(path, "w");
	if (file != NULL)
	{
		fprintf(file, "%d\n", (int) getpid());
		fclose(file);
	}
	while (is_to_hold(what))
		usleep(10000);
}

static void
hold_as(int fd, const char *what, const char *part1, const char *part2)
{
	char		path[1024];
	char		target[1024];
	ssize_t		len;

	if (!is_to_hold(what))
		return;
	snprintf(target, sizeof(target), "/proc/self/fd/%d", fd);
	len = readlink(target, path, sizeof(path) - 1);
	if (len < 0)
		return;
	path[len] = '\0';
	if (strstr(path, part1) != NULL && strstr(path, part2) != NULL)
		hold_here(what);
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
#undef HELD

/* A library that the server itself does not have may be out of RTLD_NEXT's sight. */
static void *
held_compressor(const char *library, const char *name)
{
	if (is_to_hold("_compression"))
		hold_here("_compression");
	return dlsym(dlopen(library, RTLD_LAZY), name);
}

size_t
LZ4F_compressUpdate(void *context, void *out, size_t room, const void *data,
					size_t len, const void *options)
{
	size_t		(*real) (void *, void *, size_t, const void *, size_t, const void *) =
		held_compressor("liblz4.so.1", "LZ4F_compressUpdate");

	return real(context, out, room, data, len, options);
}

size_t
ZSTD_compressStream2(void *context, void *out, void *in, int directive)
{
	size_t		(*real) (void *, void *, void *, int) =
		held_compressor("libzstd.so.1", "ZSTD_compressStream2");

	return real(context, out, in, directive);
}

int
deflate(void *stream, int flush)
{
	int			(*real) (void *, int) = held_compressor("libz.so.1", "deflate");

	return real(stream, flush);
}
