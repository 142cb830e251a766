/*-------------------------------------------------------------------------
 *
 * format_datetime.c
 *	  date, time, timestamp, with and without time zone, in DateStyle ISO.
 *
 * Where the time zone has which offset is looked up in the server's tables
 * and remembered, with the span of time that it is good for.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"

#include "format/digits.h"
#include "format/format.h"
#include "format/format_datetime.h"

#define ROOM (MAXDATELEN + 1)

/* seconds from the epoch of time zones to that of timestamps */
#define EPOCH_DIFFERENCE \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/* offsets of time zones are smaller, in seconds */
#define MAX_ZONE ((MAX_TZDISP_HOUR + 1) * SECS_PER_HOUR)

/* offsets are remembered by the 48 days that a time is in, about */
#define OFFSETS 128
#define offset_place(seconds) (((uint64) (seconds) >> 22) % OFFSETS)

typedef struct ZoneSpan
{
	pg_time_t	from;
	pg_time_t	until;			/* exclusive; with "from": nothing is here */
	long		east;			/* in seconds */
} ZoneSpan;

static char *
put_word(char *out, const char *word)
{
	Size		len = strlen(word);

	memcpy(out, word, len);
	return out + len;
}

/*
 * Year, month and day, as of a Julian day.  Tells whether that is before
 * Christ.
 *
 * Years begin in March here, so that leap days are at the end; then months
 * have their days in a pattern of five, 153 days.  Days are counted in eras of
 * 400 years, which all have the same number of days.
 */
static char *
put_day(char *out, int julian, bool *bc)
{
	/* from March of the year 0, after eras enough to be positive */
	const uint32 days_per_era = 146097;
	const uint32 eras = 100;
	uint64		days = (uint64) ((int64) julian - 1721120 + (int64) eras * days_per_era);
	uint32		era = (uint32) (days / days_per_era);
	uint32		day = (uint32) (days % days_per_era);
	uint32		year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	uint32		day_of_year = day - (365 * year + year / 4 - year / 100);
	uint32		month = (5 * day_of_year + 2) / 153;
	int			y = (int) (year + era * 400) - (int) (eras * 400);

	day = day_of_year - (153 * month + 2) / 5 + 1;
	if (month < 10)
		month += 3;
	else
	{
		month -= 9;
		y++;
	}

	*bc = y <= 0;
	if (*bc)
		y = 1 - y;
	if (y < 10000)
		out = bbgw_put_four(out, y);
	else
		out += pg_ultoa_n(y, out);
	*out++ = '-';
	out = bbgw_put_two(out, month);
	*out++ = '-';
	return bbgw_put_two(out, day);
}

/*
 * Seconds, and as much of the microseconds as is not zero.
 */
char *
bbgw_put_seconds(char *out, int seconds, int micros)
{
	out = bbgw_put_two(out, seconds);
	if (micros != 0)
	{
		*out++ = '.';
		out = bbgw_put_two(out, micros / 10000);
		out = bbgw_put_four(out, micros % 10000);
		while (out[-1] == '0')
			out--;
	}
	return out;
}

/*
 * A time of day, in microseconds.
 */
static inline bool
is_time_of_day(int64 time)
{
	return time >= 0 && time <= USECS_PER_DAY;
}

static char *
put_time_of_day(char *out, int64 time)
{
	int			seconds = (int) (time / USECS_PER_SEC);
	int			micros = (int) (time % USECS_PER_SEC);

	out = bbgw_put_two(out, seconds / SECS_PER_HOUR);
	*out++ = ':';
	out = bbgw_put_two(out, seconds / SECS_PER_MINUTE % 60);
	*out++ = ':';
	return bbgw_put_seconds(out, seconds % SECS_PER_MINUTE, micros);
}

/*
 * An offset from UTC, in seconds to the east.
 */
static char *
put_offset(char *out, long east)
{
	int			seconds = (int) labs(east);

	*out++ = east >= 0 ? '+' : '-';
	out = bbgw_put_two(out, seconds / SECS_PER_HOUR);
	if (seconds % SECS_PER_HOUR != 0)
	{
		*out++ = ':';
		out = bbgw_put_two(out, seconds / SECS_PER_MINUTE % 60);
	}
	if (seconds % SECS_PER_MINUTE != 0)
	{
		*out++ = ':';
		out = bbgw_put_two(out, seconds % SECS_PER_MINUTE);
	}
	return out;
}

static char *
put_date(BbgwFormat *format, char *out, const char *value)
{
	DateADT		date = bbgw_load_int32(value);
	bool		bc;

	if (DATE_NOT_FINITE(date))
		return put_word(out, DATE_IS_NOBEGIN(date) ? EARLY : LATE);
	if (!IS_VALID_DATE(date))
		return NULL;
	out = put_day(out, date + POSTGRES_EPOCH_JDATE, &bc);
	return bc ? put_word(out, " BC") : out;
}

static char *
put_time(BbgwFormat *format, char *out, const char *value)
{
	int64		time = bbgw_load_int64(value);

	return is_time_of_day(time) ? put_time_of_day(out, time) : NULL;
}

static char *
put_timetz(BbgwFormat *format, char *out, const char *value)
{
	TimeTzADT	time;

	memcpy(&time.time, value, sizeof(time.time));
	memcpy(&time.zone, value + offsetof(TimeTzADT, zone), sizeof(time.zone));
	if (!is_time_of_day(time.time) ||
		time.zone <= -MAX_ZONE || time.zone >= MAX_ZONE)
		return NULL;
	return put_offset(put_time_of_day(out, time.time), -(long) time.zone);
}

/*
 * A finite timestamp, and what is to be between the time and "BC": the offset,
 * unless that is NULL.
 */
static char *
put_local(char *out, Timestamp timestamp, const long *east)
{
	int64		day = timestamp / USECS_PER_DAY;
	int64		time = timestamp % USECS_PER_DAY;
	bool		bc;

	if (time < 0)
	{
		time += USECS_PER_DAY;
		day--;
	}
	out = put_day(out, (int) (day + POSTGRES_EPOCH_JDATE), &bc);
	*out++ = ' ';
	out = put_time_of_day(out, time);
	if (east)
		out = put_offset(out, *east);
	return bc ? put_word(out, " BC") : out;
}

static char *
put_timestamp(BbgwFormat *format, char *out, const char *value)
{
	Timestamp	timestamp = bbgw_load_int64(value);

	if (TIMESTAMP_NOT_FINITE(timestamp))
		return put_word(out, TIMESTAMP_IS_NOBEGIN(timestamp) ? EARLY : LATE);
	if (!IS_VALID_TIMESTAMP(timestamp))
		return NULL;
	return put_local(out, timestamp, NULL);
}

static void
look_up_offset(ZoneSpan *offset, pg_time_t seconds)
{
	struct pg_tm *local = pg_localtime(&seconds, session_timezone);
	long		before;
	long		after;
	int			isdst;
	pg_time_t	boundary;
	int			found;

	/* does not happen: the server's output function would leave it out */
	if (local == NULL)
		elog(ERROR, "no local time for " INT64_FORMAT, (int64) seconds);

	found = pg_next_dst_boundary(&seconds, &before, &isdst, &boundary,
								 &after, &isdst, session_timezone);
	if (found < 0)
		boundary = seconds + 1;
	else if (found == 0)
		boundary = PG_INT64_MAX;

	/* is it the span that is known, which has begun earlier? */
	if (offset->from >= offset->until || offset->until != boundary ||
		offset->east != local->tm_gmtoff || seconds < offset->from)
		offset->from = seconds;
	offset->until = boundary;
	offset->east = local->tm_gmtoff;
}

static char *
put_timestamptz(BbgwFormat *format, char *out, const char *value)
{
	TimestampTz timestamp = bbgw_load_int64(value);
	pg_time_t	seconds;
	ZoneSpan   *offset;

	if (TIMESTAMP_NOT_FINITE(timestamp))
		return put_word(out, TIMESTAMP_IS_NOBEGIN(timestamp) ? EARLY : LATE);
	if (!IS_VALID_TIMESTAMP(timestamp))
		return NULL;

	seconds = timestamp / USECS_PER_SEC;
	if (timestamp % USECS_PER_SEC < 0)
		seconds--;
	seconds += EPOCH_DIFFERENCE;
	offset = (ZoneSpan *) format->private + offset_place(seconds);
	if (unlikely(seconds < offset->from || seconds >= offset->until))
		look_up_offset(offset, seconds);
	return put_local(out, timestamp + offset->east * USECS_PER_SEC,
					 &offset->east);
}

static bool
begin(BbgwFormat *format, Oid type)
{
	return DateStyle == USE_ISO_DATES;
}

static bool
begin_timestamptz(BbgwFormat *format, Oid type)
{
	format->private = palloc0(OFFSETS * sizeof(ZoneSpan));
	return begin(format, type);
}

const BbgwFormatKind bbgw_format_datetimes[] = {
	BBGW_FORMAT_PUT(date_out, 4, ROOM, put_date, false, begin),
	BBGW_FORMAT_PUT(time_out, 8, ROOM, put_time, true, begin),
	BBGW_FORMAT_PUT(timetz_out, 12, ROOM, put_timetz, true, begin),
	BBGW_FORMAT_PUT(timestamp_out, 8, ROOM, put_timestamp, false, begin),
	BBGW_FORMAT_PUT(timestamptz_out, 8, ROOM, put_timestamptz, false, begin_timestamptz),
	{0}
};
