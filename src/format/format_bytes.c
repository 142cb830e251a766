/*-------------------------------------------------------------------------
 *
 * format_bytes.c
 *	  Values that are shown in hexadecimal: bytea and uuid.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "format/digits.h"
#include "format/format.h"
#include "format/simd.h"

/* so many bytes are written at a time */
#define PIECE_SIZE (BLCKSZ / 4)

/*
 * Both digits of eight bytes that are four bits each, as text: what is above
 * nine is moved from behind the digits to the letters.
 */
static inline uint64
digits_of(uint64 nibbles)
{
	uint64		letters = ((nibbles + BBGW_ONES * 6) >> 4) & BBGW_ONES;

	return nibbles + BBGW_ONES * '0' + letters * ('a' - '0' - 10);
}

/*
 * Four bytes to eight digits.
 */
static inline void
put_hex4(char *out, const char *in)
{
	const unsigned char *bytes = (const unsigned char *) in;
	uint64		wide;

	/* each byte into 16 bits, its digits in the order of the text */
	wide = (uint64) bytes[0] | (uint64) bytes[1] << 16 |
		(uint64) bytes[2] << 32 | (uint64) bytes[3] << 48;
	wide = ((wide >> 4) & UINT64CONST(0x000F000F000F000F)) |
		((wide & UINT64CONST(0x000F000F000F000F)) << 8);
	wide = digits_of(wide);
#ifdef WORDS_BIGENDIAN
	wide = pg_bswap64(wide);
#endif
	memcpy(out, &wide, sizeof(wide));
}

static inline char *
put_hex(char *out, const char *in, Size len)
{
	static const char digits[] = "0123456789abcdef";

#ifdef BBGW_SSE2
	for (; len >= 16; len -= 16, in += 16, out += 32)
	{
		const __m128i low = _mm_set1_epi8(0x0F);
		__m128i		bytes = _mm_loadu_si128((const __m128i *) in);
		__m128i		halves[2];

		halves[0] = _mm_and_si128(_mm_srli_epi16(bytes, 4), low);
		halves[1] = _mm_and_si128(bytes, low);
		for (int i = 0; i < 2; i++)
		{
			__m128i		letter = _mm_cmpgt_epi8(halves[i], _mm_set1_epi8(9));

			halves[i] = _mm_add_epi8(_mm_add_epi8(halves[i], _mm_set1_epi8('0')),
									 _mm_and_si128(letter, _mm_set1_epi8('a' - '0' - 10)));
		}
		_mm_storeu_si128((__m128i *) out,
						 _mm_unpacklo_epi8(halves[0], halves[1]));
		_mm_storeu_si128((__m128i *) (out + 16),
						 _mm_unpackhi_epi8(halves[0], halves[1]));
	}
#endif
	for (; len >= 4; len -= 4, in += 4, out += 8)
		put_hex4(out, in);
	for (; len > 0; len--, in++)
	{
		*out++ = digits[(unsigned char) *in >> 4];
		*out++ = digits[(unsigned char) *in & 0x0F];
	}
	return out;
}

static void
write_bytea(BbgwFormat *format, BbgwText *text, const char *value)
{
	const char *data = VARDATA_ANY(value);
	Size		len = VARSIZE_ANY_EXHDR(value);

	bbgw_text_append(text, "\\x", 2);
	while (len > 0)
	{
		Size		piece = Min(len, PIECE_SIZE);

		text->pos = put_hex(bbgw_text_room(text, 2 * piece), data, piece);
		data += piece;
		len -= piece;
	}
}

/*
 * Another format than hexadecimal is nothing that pg_dump would ask for, but
 * may be set for the database.
 */
static bool
begin_bytea(BbgwFormat *format, Oid type)
{
	return bytea_output == BYTEA_OUTPUT_HEX;
}

static char *
put_uuid(BbgwFormat *format, char *out, const char *value)
{
	char		digits[2 * UUID_LEN];

	(void) put_hex(digits, value, UUID_LEN);
	memcpy(out, digits, 8);
	out[8] = '-';
	memcpy(out + 9, digits + 8, 4);
	out[13] = '-';
	memcpy(out + 14, digits + 12, 4);
	out[18] = '-';
	memcpy(out + 19, digits + 16, 4);
	out[23] = '-';
	memcpy(out + 24, digits + 20, 12);
	return out + 36;
}

const BbgwFormatKind bbgw_format_bytes[] = {
	BBGW_FORMAT_WRITE(byteaout, -1, write_bytea, false, false, begin_bytea),
	BBGW_FORMAT_PUT(uuid_out, UUID_LEN, 36, put_uuid, true, NULL),
	{0}
};
