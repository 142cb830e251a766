/*-------------------------------------------------------------------------
 *
 * format_numeric.c
 *	  numeric.
 *
 * How a numeric is stored is private to the server's numeric.c, but it will
 * stay: pg_upgrade takes tables over as they are.  A header of one or two
 * 16-bit words, then digits of base 10000, 16 bits each, most significant
 * first, without zeros at either end.  The first has the value of
 * 10000^weight.  "dscale" is how many decimal digits are shown behind the
 * point.
 *
 * The first word, from its high bits on:
 *
 *	 00, 01		positive, negative; 14 bits of dscale; the next word is the
 *				weight
 *	 10			sign, 6 bits of dscale, 7 bits of weight, which has a sign
 *	 1100, 1101, 1111	NaN, Infinity, -Infinity
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"

#include "format/digits.h"
#include "format/format.h"

#define DIGITS_PER_WORD 4

/* text up to this length is written in one go */
#define SHORT_TEXT BLCKSZ

typedef struct Number
{
	bool		negative;
	int			weight;
	int			dscale;
	int			ndigits;
	const char *digits;
} Number;

/*
 * So many words of digits from the i-th on, those that are not there being
 * zero.
 */
static inline char *
put_words(char *out, const Number *number, int i, int n)
{
	for (; n > 0 && i < 0; n--, i++)
		out = bbgw_put_four(out, 0);
	for (; n > 0 && i < number->ndigits; n--, i++)
		out = bbgw_put_four(out, bbgw_load_uint16(number->digits + 2 * i));
	for (; n > 0; n--)
		out = bbgw_put_four(out, 0);
	return out;
}

/*
 * The text of a number, in at most text_size() bytes.  Returns its end.
 */
static inline char *
put_number(char *out, const Number *number)
{
	if (number->negative)
		*out++ = '-';

	/* before the point, without zeros at the beginning */
	if (number->weight < 0 || number->ndigits == 0)
		*out++ = '0';
	else
	{
		unsigned	first = bbgw_load_uint16(number->digits);
		char		word[2 * DIGITS_PER_WORD] = {0};
		int			zeros = (first < 1000) + (first < 100) + (first < 10);

		bbgw_put_four(word, first);
		memcpy(out, word + zeros, DIGITS_PER_WORD);
		out = put_words(out + DIGITS_PER_WORD - zeros, number, 1,
						number->weight);
	}

	/* behind it; the last word may have more digits than are shown */
	if (number->dscale > 0)
	{
		*out++ = '.';
		(void) put_words(out, number, number->weight + 1,
						 (number->dscale + DIGITS_PER_WORD - 1) / DIGITS_PER_WORD);
		out += number->dscale;
	}
	return out;
}

/*
 * Is this what a number may consist of?
 */
static inline bool
is_number(const Number *number)
{
	unsigned	greatest = 0;

	for (int i = 0; i < number->ndigits; i++)
		greatest = Max(greatest, bbgw_load_uint16(number->digits + 2 * i));
	return number->ndigits >= 0 && greatest < 10000;
}

static inline Size
text_size(const Number *number)
{
	return (Size) (Max(number->weight, 0) + 1) * DIGITS_PER_WORD +
		number->dscale + DIGITS_PER_WORD + 2;
}

/*
 * Writes what numeric_out() makes of a value that is none.
 */
static void
write_damaged(BbgwText *text, const char *value)
{
	char	   *result =
	DatumGetCString(DirectFunctionCall1(numeric_out, PointerGetDatum(value)));

	bbgw_text_append(text, result, strlen(result));
}

static void
write_special(BbgwText *text, unsigned header, const char *value)
{
	switch (header & 0xF000)
	{
		case 0xC000:
			bbgw_text_plain(text, "NaN", 3);
			break;
		case 0xD000:
			bbgw_text_plain(text, "Infinity", 8);
			break;
		case 0xF000:
			bbgw_text_plain(text, "-Infinity", 9);
			break;
		default:
			write_damaged(text, value);
	}
}

/*
 * Writes a numeric, wherever it is stored.
 */
void
bbgw_format_numeric(BbgwFormat *format, BbgwText *text, const char *value)
{
	const char *data = VARDATA_ANY(value);
	int			len = (int) VARSIZE_ANY_EXHDR(value);
	unsigned	header;
	Number		number;

	if (unlikely(len < (int) sizeof(uint16)))
	{
		write_damaged(text, value);
		return;
	}
	header = bbgw_load_uint16(data);
	if ((header & 0xC000) == 0xC000)
	{
		write_special(text, header, value);
		return;
	}
	if (header & 0x8000)
	{
		number.negative = (header & 0x2000) != 0;
		number.dscale = (header & 0x1F80) >> 7;
		number.weight = (int) (header & 0x3F) - (int) (header & 0x40);
		number.digits = data + sizeof(uint16);
		number.ndigits = (len - (int) sizeof(uint16)) / (int) sizeof(int16);
	}
	else if (len >= 2 * (int) sizeof(uint16))
	{
		number.negative = (header & 0x4000) != 0;
		number.dscale = header & 0x3FFF;
		number.weight = bbgw_load_int16(data + sizeof(uint16));
		number.digits = data + 2 * sizeof(uint16);
		number.ndigits = (len - 2 * (int) sizeof(uint16)) / (int) sizeof(int16);
	}
	else
		number.ndigits = -1;

	if (unlikely(!is_number(&number)))
		write_damaged(text, value);
	else if (likely(text_size(&number) <= SHORT_TEXT))
		text->pos = put_number(bbgw_text_room(text, SHORT_TEXT), &number);
	else
	{
		char	   *start = palloc(text_size(&number));
		char	   *end = put_number(start, &number);

		bbgw_text_append(text, start, end - start);
		pfree(start);
	}
}

const BbgwFormatKind bbgw_format_numerics[] = {
	BBGW_FORMAT_WRITE(numeric_out, -1, bbgw_format_numeric, true, false, NULL),
	{0}
};
