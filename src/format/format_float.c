/*-------------------------------------------------------------------------
 *
 * format_float.c
 *	  float4 and float8: the shortest decimal that reads as the same value.
 *
 * That is what extra_float_digits = 3 stands for, as pg_dump sets it.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"

#include "format/format.h"

static char *
put_float4(BbgwFormat *format, char *out, const char *value)
{
	float4		number;

	memcpy(&number, value, sizeof(number));
	return out + float_to_shortest_decimal_buf(number, out);
}

static char *
put_float8(BbgwFormat *format, char *out, const char *value)
{
	float8		number;

	memcpy(&number, value, sizeof(number));
	return out + double_to_shortest_decimal_buf(number, out);
}

static bool
begin(BbgwFormat *format, Oid type)
{
	return extra_float_digits > 0;
}

const BbgwFormatKind bbgw_format_floats[] = {
	BBGW_FORMAT_PUT(float4out, 4, FLOAT_SHORTEST_DECIMAL_LEN, put_float4, true, begin),
	BBGW_FORMAT_PUT(float8out, 8, DOUBLE_SHORTEST_DECIMAL_LEN, put_float8, true, begin),
	{0}
};
