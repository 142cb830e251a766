/*-------------------------------------------------------------------------
 *
 * large_objects.c
 *	  Reads a unit of large objects, each into a file of its own.
 *
 * A unit is a range of OIDs.  First it is asked which large objects there are
 * in it, some at a time, then their pages are read, as many as a buffer has room
 * for, and when that is full, or somebody else wants the catalog, they are
 * written.  So nothing is locked and no page pinned while the file system is
 * waited for, and it does not matter how many large objects there are or how big
 * they are.
 *
 * The contents are those that loread() gives: pages that are missing, and what
 * is missing of a page that another one follows, are zeros, and the last page is
 * where the large object ends.  One without pages is empty.  Pages that belong to
 * none are left out.
 *
 * If others have the catalog locked the unit is left for later, but not in its
 * middle.  Files of S can be read beside any lock, which the leader sees to
 * (lockpass.c) when the worker waits for it; present ones have to be waited for.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_largeobject.h"
#include "miscadmin.h"
#include "storage/large_object.h"

#include "archive/archive.h"
#include "archive/objects.h"
#include "copy/large_objects.h"
#include "copy/object_rows.h"
#include "copy/throttle.h"
#include "snapshot/asof.h"

/* pages are read into this, with an ObjectPage before each */
#define BUFFER_SIZE (1024 * 1024)

/* zeros are written in pieces of this size */
#define ZEROS_SIZE (64 * 1024)

/* how long to sleep for max_rate at once, in ms */
#define RATE_NAP 100

typedef struct ObjectPage
{
	Oid			oid;
	int32		number;
	uint32		size;			/* of the value that follows */
} ObjectPage;

/* What is being read */
typedef struct Reading
{
	BbgwBackup *backup;
	BbgwWorkerSlot *slot;
	BbgwUnit   *unit;
	BbgwSink   *sink;
	BbgwSink   *report;
	bool		insist;			/* wait for locks */
	bool		begun;			/* something has been written */
	Oid			oids[BBGW_MAX_OBJECTS]; /* some large objects of the unit */
	int			n;
	int			i;				/* these before it are written */
	bool		open;			/* the file of this one has been begun */
	uint64		offset;			/* bytes of it that are written */
	Oid			last_oid;		/* what was read last */
	int64		last_page;
	uint64		done;			/* bytes read in all */
	uint64		booked;			/* of these, for max_rate */
	uint64		counted;		/* of unit->bytes, in backup->bytes_done */
	Size		used;			/* of the buffer */
	char		buffer[BUFFER_SIZE];
} Reading;

/* one at a time */
static Reading lo;

static void
report_damage(Oid oid, int32 page, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("pg_largeobject entry for OID %u, page %d %s", oid, page, what)));
}

/*
 * Copies a row to the buffer, if there is room.
 */
static bool
take_page(HeapTuple row)
{
	Form_pg_largeobject form = (Form_pg_largeobject) GETSTRUCT(row);
	struct varlena *value = (struct varlena *) &form->data;
	int64		room = (int64) row->t_len - row->t_data->t_hoff -
	(int64) offsetof(FormData_pg_largeobject, data);
	Size		size;
	ObjectPage *page;

	if (HeapTupleHasNulls(row))
		elog(ERROR, "null field found in pg_largeobject");
	if (room < 1 || VARATT_IS_EXTERNAL(value) ||
		(!VARATT_IS_SHORT(value) && room < VARHDRSZ) ||
		VARSIZE_ANY(value) > (Size) room)
		report_damage(form->loid, form->pageno, "has an invalid data field");

	size = VARSIZE_ANY(value);
	if (lo.used + sizeof(ObjectPage) + MAXALIGN(size) > BUFFER_SIZE)
		return false;
	/* nobody ever reads such a page */
	if (form->pageno < 0)
		return true;

	page = (ObjectPage *) (lo.buffer + lo.used);
	page->oid = form->loid;
	page->number = form->pageno;
	page->size = size;
	memcpy(page + 1, value, size);
	lo.used += MAXALIGN(sizeof(ObjectPage) + size);
	return true;
}

static void
begin_file(void)
{
	char	   *path = bbgw_archive_object_path(lo.backup, lo.oids[lo.i]);

	if (!lo.begun)
		bbgw_sink_begin(lo.report,
						bbgw_archive_report_path(lo.backup, lo.unit->slice));
	lo.begun = true;
	bbgw_sink_begin(lo.sink, path);
	pfree(path);
	lo.open = true;
	lo.offset = 0;
}

static void
end_file(void)
{
	BbgwFileInfo info;

	if (!lo.open)
		begin_file();
	bbgw_sink_end(lo.sink, &info);
	bbgw_object_report_add(lo.report, lo.oids[lo.i], &info);
	lo.open = false;
	lo.i++;
}

/*
 * Tells about progress.  More than was planned it cannot be.
 */
static void
advance(uint64 target)
{
	uint64		bytes = Min(target, lo.unit->bytes) - lo.counted;

	lo.counted += bytes;
	pg_atomic_fetch_add_u64(&lo.backup->bytes_done, bytes);
	pg_atomic_fetch_add_u64(&lo.slot->bytes_done, bytes);
}

/*
 * The same for what has been read, and sleeps for max_rate.
 */
static void
advance_read(void)
{
	uint64		due;

	advance(lo.done);
	if (lo.backup->order.max_rate == 0 || lo.done == lo.booked)
		return;
	due = bbgw_throttle_book(lo.backup, lo.done - lo.booked);
	lo.booked = lo.done;
	while (bbgw_throttle_nap(due, RATE_NAP * 1000))
		;
}

static void
write_data(const char *data, Size size)
{
	bbgw_sink_write(lo.sink, data, size);
	lo.offset += size;
	lo.done += size;
}

static void
write_zeros(uint64 n)
{
	static const char zeros[ZEROS_SIZE];

	while (n > 0)
	{
		Size		size = Min(n, ZEROS_SIZE);

		CHECK_FOR_INTERRUPTS();
		write_data(zeros, size);
		advance_read();
		n -= size;
	}
}

static void
write_page(const ObjectPage *page)
{
	struct varlena *stored = (struct varlena *) (page + 1);
	struct varlena *value = stored;
	uint64		start = (uint64) page->number * LOBLKSIZE;

	if (page->oid < lo.last_oid ||
		(page->oid == lo.last_oid && page->number <= lo.last_page))
		report_damage(page->oid, page->number, "is out of place");
	lo.last_oid = page->oid;
	lo.last_page = page->number;

	while (lo.i < lo.n && lo.oids[lo.i] < page->oid)
		end_file();
	if (lo.i == lo.n || lo.oids[lo.i] != page->oid)
		return;

	if (!lo.open)
		begin_file();
	if (VARATT_IS_COMPRESSED(stored))
		value = detoast_attr(stored);
	if (VARSIZE_ANY_EXHDR(value) > LOBLKSIZE)
		report_damage(page->oid, page->number, "has an invalid data field size");
	write_zeros(start - lo.offset);
	write_data(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	if (value != stored)
		pfree(value);
}

/*
 * Writes what is in the buffer.
 */
static void
write_pages(void)
{
	Size		position = 0;

	while (position < lo.used)
	{
		const ObjectPage *page = (ObjectPage *) (lo.buffer + position);

		write_page(page);
		position += MAXALIGN(sizeof(ObjectPage) + page->size);
	}
	lo.used = 0;
	advance_read();
}

/*
 * Is a lock to be waited for?  In the lock manager's queue, as whoever only tries
 * again and again may never get it.  Nobody waits for long behind us there.
 */
static bool
waits(void)
{
	return lo.insist || lo.begun;
}

/*
 * Looks at what has come of an attempt to read rows.  Returns false if the unit
 * is to be left for later.
 */
static bool
is_read(BbgwObjectRows result)
{
	if (result == BBGW_ROWS_WANTED)
		pg_atomic_fetch_add_u64(&lo.backup->lock_yields, 1);
	return result != BBGW_ROWS_LOCKED;
}

/*
 * Writes the large objects that have been found.  Returns false if the unit is
 * to be left for later.
 */
static bool
copy_objects(void)
{
	BbgwObjectPosition position = {.oid = lo.oids[0]};
	BbgwObjectRows result;

	do
	{
		result = bbgw_object_pages(&position, lo.oids[lo.n - 1], take_page,
								   waits());
		if (!is_read(result))
			return false;
		write_pages();
	} while (result != BBGW_ROWS_ALL);

	while (lo.i < lo.n)
		end_file();
	return true;
}

/*
 * Reads a unit, into files of "sink", and a report of them of "report".
 * Returns false, having done nothing, if the catalog is locked by others; with
 * "insist" waits for them.
 *
 * Needs what bbgw_scan_unit() does, and promises the same.
 */
bool
bbgw_large_objects_unit(BbgwBackup *backup, BbgwWorkerSlot *slot,
						BbgwUnit *unit, BbgwSink *sink, BbgwSink *report,
						bool insist)
{
	BbgwObjectPosition position = {.oid = unit->first_object};
	BbgwObjectRows result;

	memset(&lo, 0, offsetof(Reading, buffer));
	lo.backup = backup;
	lo.slot = slot;
	lo.unit = unit;
	lo.sink = sink;
	lo.report = report;
	lo.insist = insist;
	lo.last_page = -1;
	unit->rows = 0;

	do
	{
		lo.i = 0;
		result = bbgw_object_oids(&position, unit->last_object, lo.oids, &lo.n,
								  waits());
		if (!is_read(result) || (lo.n > 0 && !copy_objects()))
			return false;
		unit->rows += lo.n;
	} while (result != BBGW_ROWS_ALL);

	bbgw_release_locks();
	if (!lo.begun)
		bbgw_sink_begin(report, bbgw_archive_report_path(backup, unit->slice));
	bbgw_sink_end(report, &unit->file);
	advance(unit->bytes);
	return true;
}
