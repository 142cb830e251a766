/*-------------------------------------------------------------------------
 *
 * toc_created.c
 *	  When toc.dat says that its archive was created.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "storage/fd.h"

#include "archive/toc_file.h"

/*
 * A time as toc.dat has it, in the time zone of the operating system, which is
 * the one that pg_dump and pg_restore know.
 */
static void
fill_created(int created[BBGW_TOC_CREATED_INTS], pg_time_t when)
{
	time_t		t = (time_t) when;
	struct tm  *tm = localtime(&t);

	created[0] = tm->tm_sec;
	created[1] = tm->tm_min;
	created[2] = tm->tm_hour;
	created[3] = tm->tm_mday;
	created[4] = tm->tm_mon;
	created[5] = tm->tm_year;
	created[6] = tm->tm_isdst;
}

/*
 * Have the archive say that it was created then.  Raises nothing.
 */
void
bbgw_toc_set_created(BbgwTocHeader *toc, pg_time_t when)
{
	fill_created(toc->created, when);
}

/*
 * Does the file "path" say that it was created then?  Says no, and raises
 * nothing, if it cannot be read or is no table of contents.
 */
bool
bbgw_toc_was_created(const char *path, pg_time_t when)
{
	int			fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	uint8		header[64];
	int			created[BBGW_TOC_CREATED_INTS];
	const uint8 *p;
	bool		same;

	if (fd < 0)
		return false;
	same = read(fd, header, sizeof(header)) == sizeof(header) &&
		memcmp(header, "PGDMP", 5) == 0;
	CloseTransientFile(fd);
	if (!same)
		return false;

	/* toc_file.c describes the file */
	p = header + 5 + 3 + 2 + 1 + (header[6] >= 15 ? 1 : 1 + BBGW_TOC_INT_SIZE);
	fill_created(created, when);
	for (int i = 0; i < BBGW_TOC_CREATED_INTS; i++, p += 1 + BBGW_TOC_INT_SIZE)
	{
		uint32		magnitude = created[i] < 0 ? -created[i] : created[i];

		same = same && p[0] == (created[i] < 0);
		for (int j = 0; j < BBGW_TOC_INT_SIZE; j++)
			same = same && p[1 + j] == (uint8) (magnitude >> (8 * j));
	}
	return same;
}
