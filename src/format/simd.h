/*-------------------------------------------------------------------------
 *
 * simd.h
 *	  Looking at 16 bytes at a time.
 *
 * The server has such a header since 16, and not with all that is wanted
 * here.  Where it would use instructions of the processor, these are in any
 * processor of that architecture, so nothing is found out at run time.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_SIMD_H
#define BBGW_SIMD_H

#include "postgres.h"

#if defined(BBGW_NO_SIMD)
#define BBGW_PORTABLE_BYTES
#elif defined(__x86_64__) || defined(_M_AMD64)
#include <emmintrin.h>
#define BBGW_SSE2
typedef __m128i BbgwBytes;
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
typedef uint8x16_t BbgwBytes;
#else
#define BBGW_PORTABLE_BYTES
#endif

#define BBGW_ONES UINT64CONST(0x0101010101010101)
#define BBGW_HIGHS UINT64CONST(0x8080808080808080)

/*
 * Is one of eight bytes a backslash, or below 14?  Those are the bytes that
 * COPY escapes, and some that hardly occur.  Ones next to such a byte may be
 * taken for one, too.
 */
static inline uint64
bbgw_special8(uint64 bytes)
{
	uint64		backslash = bytes ^ (BBGW_ONES * '\\');

	return (((bytes - BBGW_ONES * 14) & ~bytes) |
			((backslash - BBGW_ONES) & ~backslash)) & BBGW_HIGHS;
}

/*
 * The same for a quote, a backslash, and what is below a space.
 */
static inline uint64
bbgw_special_json8(uint64 bytes)
{
	uint64		quote = bytes ^ (BBGW_ONES * '"');
	uint64		backslash = bytes ^ (BBGW_ONES * '\\');

	return (((bytes - BBGW_ONES * ' ') & ~bytes) |
			((quote - BBGW_ONES) & ~quote) |
			((backslash - BBGW_ONES) & ~backslash)) & BBGW_HIGHS;
}

/*
 * Further down, bbgw_bytes_plain() tells how many bytes come before the first
 * one that COPY escapes, and bbgw_bytes_plain_json() how many before one that
 * JSON does; 16: there is none.  It may be less, but then by bytes that need
 * not be escaped.
 */
#ifdef BBGW_PORTABLE_BYTES

typedef struct BbgwBytes
{
	uint64		half[2];
} BbgwBytes;

static inline BbgwBytes
bbgw_bytes_load(const char *from)
{
	BbgwBytes	bytes;

	memcpy(&bytes, from, sizeof(bytes));
	return bytes;
}

static inline void
bbgw_bytes_store(char *to, BbgwBytes bytes)
{
	memcpy(to, &bytes, sizeof(bytes));
}

static inline BbgwBytes
bbgw_bytes_or(BbgwBytes a, BbgwBytes b)
{
	a.half[0] |= b.half[0];
	a.half[1] |= b.half[1];
	return a;
}

static inline BbgwBytes
bbgw_bytes_zero(void)
{
	BbgwBytes	bytes = {{0, 0}};

	return bytes;
}

static inline bool
bbgw_bytes_non_ascii(BbgwBytes bytes)
{
	return ((bytes.half[0] | bytes.half[1]) & BBGW_HIGHS) != 0;
}

static inline int
bbgw_bytes_plain(BbgwBytes bytes)
{
	if (bbgw_special8(bytes.half[0]))
		return 0;
	return bbgw_special8(bytes.half[1]) ? 8 : 16;
}

static inline int
bbgw_bytes_plain_json(BbgwBytes bytes)
{
	if (bbgw_special_json8(bytes.half[0]))
		return 0;
	return bbgw_special_json8(bytes.half[1]) ? 8 : 16;
}

#elif defined(__ARM_NEON)

#define bbgw_bytes_load(from) vld1q_u8((const uint8_t *) (from))
#define bbgw_bytes_store(to, bytes) vst1q_u8((uint8_t *) (to), bytes)
#define bbgw_bytes_or(a, b) vorrq_u8(a, b)
#define bbgw_bytes_zero() vdupq_n_u8(0)

static inline bool
bbgw_bytes_non_ascii(BbgwBytes bytes)
{
	return vmaxvq_u8(bytes) >= 0x80;
}

/* the first byte of ones that are all bits or none */
static inline int
bbgw_bytes_first(uint8x16_t found)
{
	uint8x8_t	narrow = vshrn_n_u16(vreinterpretq_u16_u8(found), 4);
	uint64		nibbles = vget_lane_u64(vreinterpret_u64_u8(narrow), 0);

	return nibbles == 0 ? 16 : __builtin_ctzll(nibbles) >> 2;
}

static inline int
bbgw_bytes_plain(BbgwBytes bytes)
{
	return bbgw_bytes_first(vorrq_u8(vcltq_u8(bytes, vdupq_n_u8(14)),
									 vceqq_u8(bytes, vdupq_n_u8('\\'))));
}

static inline int
bbgw_bytes_plain_json(BbgwBytes bytes)
{
	return bbgw_bytes_first(vorrq_u8(vorrq_u8(vcltq_u8(bytes, vdupq_n_u8(' ')),
											  vceqq_u8(bytes, vdupq_n_u8('"'))),
									 vceqq_u8(bytes, vdupq_n_u8('\\'))));
}

#else

#define bbgw_bytes_load(from) _mm_loadu_si128((const __m128i *) (from))
#define bbgw_bytes_store(to, bytes) _mm_storeu_si128((__m128i *) (to), bytes)
#define bbgw_bytes_or(a, b) _mm_or_si128(a, b)
#define bbgw_bytes_zero() _mm_setzero_si128()

static inline bool
bbgw_bytes_non_ascii(BbgwBytes bytes)
{
	return _mm_movemask_epi8(bytes) != 0;
}

/* those below or equal to a limit, unsigned */
#define bbgw_bytes_upto(bytes, limit) \
	_mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(limit)), bytes)
#define bbgw_bytes_equal(bytes, c) _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c))

static inline int
bbgw_bytes_first(__m128i found)
{
	int			mask = _mm_movemask_epi8(found);

	return mask == 0 ? 16 : __builtin_ctz(mask);
}

static inline int
bbgw_bytes_plain(BbgwBytes bytes)
{
	return bbgw_bytes_first(_mm_or_si128(bbgw_bytes_upto(bytes, 13),
										 bbgw_bytes_equal(bytes, '\\')));
}

static inline int
bbgw_bytes_plain_json(BbgwBytes bytes)
{
	__m128i		quote = _mm_or_si128(bbgw_bytes_equal(bytes, '"'),
									 bbgw_bytes_equal(bytes, '\\'));

	return bbgw_bytes_first(_mm_or_si128(bbgw_bytes_upto(bytes, ' ' - 1),
										 quote));
}

#endif

#endif							/* BBGW_SIMD_H */
