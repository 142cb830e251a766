/*-------------------------------------------------------------------------
 *
 * digits.h
 *	  Decimal digits, two at a time, and values wherever they are stored.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_DIGITS_H
#define BBGW_DIGITS_H

#include "postgres.h"

/* "00" to "99" */
extern const char bbgw_two_digits[201];

static inline char *
bbgw_put_two(char *out, unsigned value)
{
	memcpy(out, bbgw_two_digits + 2 * value, 2);
	return out + 2;
}

static inline char *
bbgw_put_four(char *out, unsigned value)
{
	return bbgw_put_two(bbgw_put_two(out, value / 100), value % 100);
}

#define BBGW_LOAD(type) \
static inline type \
bbgw_load_##type(const char *from) \
{ \
	type		value; \
\
	memcpy(&value, from, sizeof(value)); \
	return value; \
}

BBGW_LOAD(int16)
BBGW_LOAD(uint16)
BBGW_LOAD(int32)
BBGW_LOAD(uint32)
BBGW_LOAD(int64)
BBGW_LOAD(uint64)

#endif							/* BBGW_DIGITS_H */
