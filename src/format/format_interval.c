/*-------------------------------------------------------------------------
 *
 * format_interval.c
 *	  interval, in IntervalStyle postgres.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"

#include "format/digits.h"
#include "format/format.h"
#include "format/format_datetime.h"

/* What has been written so far decides about signs and spaces. */
typedef struct State
{
	bool		nothing_yet;
	bool		last_negative;
} State;

static char *
put_part(char *out, State *state, int value, const char *unit)
{
	Size		len = strlen(unit);

	if (value == 0)
		return out;
	if (!state->nothing_yet)
		*out++ = ' ';
	if (state->last_negative && value > 0)
		*out++ = '+';
	out += pg_ltoa(value, out);
	*out++ = ' ';
	memcpy(out, unit, len);
	out += len;
	if (value != 1)
		*out++ = 's';

	/* so the sign is shown where it differs from that of the part before */
	state->last_negative = value < 0;
	state->nothing_yet = false;
	return out;
}

static char *
put_interval(BbgwFormat *format, char *out, const char *value)
{
	Interval	interval;
	State		state = {.nothing_yet = true};
	uint64		time;
	uint64		hours;

	memcpy(&interval.time, value + offsetof(Interval, time),
		   sizeof(interval.time));
	memcpy(&interval.day, value + offsetof(Interval, day),
		   sizeof(interval.day));
	memcpy(&interval.month, value + offsetof(Interval, month),
		   sizeof(interval.month));

	if (bbgw_interval_is_infinite(&interval))
	{
		const char *word = interval.month < 0 ? EARLY : LATE;

		memcpy(out, word, strlen(word));
		return out + strlen(word);
	}

	out = put_part(out, &state, interval.month / MONTHS_PER_YEAR, "year");
	out = put_part(out, &state, interval.month % MONTHS_PER_YEAR, "mon");
	out = put_part(out, &state, interval.day, "day");
	if (interval.time == 0 && !state.nothing_yet)
		return out;

	if (!state.nothing_yet)
		*out++ = ' ';
	if (interval.time < 0)
		*out++ = '-';
	else if (state.last_negative)
		*out++ = '+';
	time = interval.time < 0 ? 0 - (uint64) interval.time : (uint64) interval.time;
	hours = time / USECS_PER_HOUR;
	if (hours < 100)
		out = bbgw_put_two(out, (unsigned) hours);
	else
		out += pg_ulltoa_n(hours, out);
	*out++ = ':';
	out = bbgw_put_two(out, (unsigned) (time / USECS_PER_MINUTE % 60));
	*out++ = ':';
	return bbgw_put_seconds(out, (int) (time / USECS_PER_SEC % 60),
							(int) (time % USECS_PER_SEC));
}

static bool
begin(BbgwFormat *format, Oid type)
{
	return IntervalStyle == INTSTYLE_POSTGRES;
}

const BbgwFormatKind bbgw_format_intervals[] = {
	BBGW_FORMAT_PUT(interval_out, 16, MAXDATELEN + 1, put_interval, false, begin),
	{0}
};
