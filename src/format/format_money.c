/*-------------------------------------------------------------------------
 *
 * format_money.c
 *	  money, as lc_monetary has it.
 *
 * What is before and after the number depends on nothing but the sign, so it
 * is taken from the output function's text of a number of either sign.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <locale.h>

#include "utils/fmgrprotos.h"

#include "format/digits.h"
#include "format/format.h"

/* from utils/pg_locale.h, which wants headers of ICU that may not be there */
extern struct lconv *PGLC_localeconv(void);

/* of the number alone, with separators of up to MB_LEN_MAX bytes */
#define MAX_NUMBER 128

typedef struct Around
{
	char	   *before;
	char	   *after;
	Size		before_len;
	Size		after_len;
} Around;

typedef struct Money
{
	int			points;			/* digits behind the point */
	int			group;			/* digits between separators */
	char		point;
	char	   *separator;
	Size		separator_len;
	Around		positive;
	Around		negative;
} Money;

/*
 * Writes the number, without sign, from its end on.  Returns the beginning.
 */
static char *
number_before(char *end, const Money *money, uint64 value)
{
	int			position = money->points;

	do
	{
		if (money->points > 0 && position == 0)
			*--end = money->point;
		else if (position < 0 && position % money->group == 0)
		{
			end -= money->separator_len;
			memcpy(end, money->separator, money->separator_len);
		}
		*--end = '0' + (char) (value % 10);
		value /= 10;
		position--;
	} while (value > 0 || position >= 0);
	return end;
}

/*
 * Finds out what the output function has around a number.
 */
static bool
look_around(BbgwFormat *format, const Money *money, int64 value,
			Around *around)
{
	char	   *whole = OutputFunctionCall(&format->output,
										   Int64GetDatum(value));
	char		buffer[MAX_NUMBER + 1];
	char	   *end = buffer + MAX_NUMBER;
	char	   *number;
	char	   *found;

	*end = '\0';
	number = number_before(end, money, value < 0 ? 0 - (uint64) value : (uint64) value);
	found = strstr(whole, number);
	if (found == NULL)
		return false;
	around->before = pnstrdup(whole, found - whole);
	around->before_len = found - whole;
	around->after = pstrdup(found + (end - number));
	around->after_len = strlen(around->after);
	return true;
}

static bool
begin(BbgwFormat *format, Oid type)
{
	Money	   *money = palloc0(sizeof(Money));
	struct lconv *locale = PGLC_localeconv();

	/* where the locale does not say anything useful, as the server does */
	money->points = locale->frac_digits;
	if (money->points < 0 || money->points > 10)
		money->points = 2;
	money->group = *locale->mon_grouping;
	if (money->group <= 0 || money->group > 6)
		money->group = 3;
	money->point = strlen(locale->mon_decimal_point) == 1 ?
		*locale->mon_decimal_point : '.';
	if (*locale->mon_thousands_sep != '\0')
		money->separator = pstrdup(locale->mon_thousands_sep);
	else
		money->separator = pstrdup(money->point != ',' ? "," : ".");
	money->separator_len = strlen(money->separator);
	format->private = money;

	return money->separator_len <= 4 &&
		look_around(format, money, PG_INT64_MAX, &money->positive) &&
		look_around(format, money, -PG_INT64_MAX, &money->negative);
}

static void
write_money(BbgwFormat *format, BbgwText *text, const char *value)
{
	const Money *money = format->private;
	int64		amount = bbgw_load_int64(value);
	const Around *around = amount < 0 ? &money->negative : &money->positive;
	char		buffer[MAX_NUMBER];
	char	   *end = buffer + MAX_NUMBER;
	char	   *number;

	number = number_before(end, money,
						   amount < 0 ? 0 - (uint64) amount : (uint64) amount);
	bbgw_text_append(text, around->before, around->before_len);
	bbgw_text_append(text, number, end - number);
	bbgw_text_append(text, around->after, around->after_len);
}

const BbgwFormatKind bbgw_format_moneys[] = {
	BBGW_FORMAT_WRITE(cash_out, 8, write_money, false, false, begin),
	{0}
};
