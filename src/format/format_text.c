/*-------------------------------------------------------------------------
 *
 * format_text.c
 *	  Values whose bytes are their text: text, varchar, bpchar, json, name, "char".
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"

#include "format/format.h"

static void
write_text(BbgwFormat *format, BbgwText *text, const char *value)
{
	bbgw_text_append(text, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

static void
write_name(BbgwFormat *format, BbgwText *text, const char *value)
{
	bbgw_text_append(text, value, strnlen(value, NAMEDATALEN));
}

/*
 * One byte, or none.  What is not ASCII is another matter in each version.
 */
static void
write_char(BbgwFormat *format, BbgwText *text, const char *value)
{
	if (IS_HIGHBIT_SET(*value))
	{
		char	   *result = OutputFunctionCall(&format->output,
												CharGetDatum(*value));

		bbgw_text_append(text, result, strlen(result));
	}
	else
		bbgw_text_append(text, value, *value != '\0');
}

const BbgwFormatKind bbgw_format_texts[] = {
	BBGW_FORMAT_WRITE(textout, -1, write_text, false, false, NULL),
	BBGW_FORMAT_WRITE(varcharout, -1, write_text, false, false, NULL),
	BBGW_FORMAT_WRITE(bpcharout, -1, write_text, false, false, NULL),
	BBGW_FORMAT_WRITE(json_out, -1, write_text, false, false, NULL),
	BBGW_FORMAT_WRITE(nameout, NAMEDATALEN, write_name, false, false, NULL),
	BBGW_FORMAT_WRITE(charout, 1, write_char, false, false, NULL),
	{0}
};
