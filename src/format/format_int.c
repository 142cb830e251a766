/*-------------------------------------------------------------------------
 *
 * format_int.c
 *	  Integers and what is stored as such: bool, int2, int4, int8, oid, xid, tid.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/itemptr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "format/digits.h"
#include "format/format.h"

const char	bbgw_two_digits[201] =
"00010203040506070809101112131415161718192021222324252627282930313233343536373839"
"40414243444546474849505152535455565758596061626364656667686970717273747576777879"
"8081828384858687888990919293949596979899";

static char *
put_bool(BbgwFormat *format, char *out, const char *value)
{
	*out = *value ? 't' : 'f';
	return out + 1;
}

/*
 * The server's functions return the length of the text.  They add a null byte,
 * so there must be room for it, too.
 */
#define PUT_INT(name, type, function) \
static char * \
name(BbgwFormat *format, char *out, const char *value) \
{ \
	return out + function(bbgw_load_##type(value), out); \
}

PUT_INT(put_int2, int16, pg_itoa)
PUT_INT(put_int4, int32, pg_ltoa)
PUT_INT(put_int8, int64, pg_lltoa)
PUT_INT(put_uint4, uint32, pg_ultoa_n)
PUT_INT(put_uint8, uint64, pg_ulltoa_n)

static char *
put_tid(BbgwFormat *format, char *out, const char *value)
{
	ItemPointerData tid;

	memcpy(&tid, value, sizeof(tid));
	*out++ = '(';
	out += pg_ultoa_n(ItemPointerGetBlockNumberNoCheck(&tid), out);
	*out++ = ',';
	out += pg_ultoa_n(ItemPointerGetOffsetNumberNoCheck(&tid), out);
	*out++ = ')';
	return out;
}

const BbgwFormatKind bbgw_format_ints[] = {
	BBGW_FORMAT_PUT(boolout, 1, 1, put_bool, true, NULL),
	BBGW_FORMAT_PUT(int2out, 2, 8, put_int2, true, NULL),
	BBGW_FORMAT_PUT(int4out, 4, 12, put_int4, true, NULL),
	BBGW_FORMAT_PUT(int8out, 8, 24, put_int8, true, NULL),
	BBGW_FORMAT_PUT(oidout, 4, 12, put_uint4, true, NULL),
	BBGW_FORMAT_PUT(xidout, 4, 12, put_uint4, true, NULL),
	BBGW_FORMAT_PUT(cidout, 4, 12, put_uint4, true, NULL),
	BBGW_FORMAT_PUT(xid8out, 8, 24, put_uint8, true, NULL),
	BBGW_FORMAT_PUT(tidout, 6, 24, put_tid, false, NULL),
	{0}
};
