/*-------------------------------------------------------------------------
 *
 * format_enum.c
 *	  Enums: labels by the OIDs that are stored.
 *
 * Labels are looked up when they are met first, and so are those of the
 * snapshot of the transaction.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "format/digits.h"
#include "format/format.h"

/* a power of two; labels that want the same place take turns */
#define PLACES 64

typedef struct Label
{
	Oid			oid;			/* InvalidOid: nothing is here */
	int			len;
	char		label[NAMEDATALEN];
} Label;

static bool
begin(BbgwFormat *format, Oid type)
{
	format->private = palloc0(PLACES * sizeof(Label));
	return true;
}

static void
write_enum(BbgwFormat *format, BbgwText *text, const char *value)
{
	Oid			oid = bbgw_load_uint32(value);

	/* those that have been added later have even OIDs, too */
	Label	   *label = (Label *) format->private + ((oid ^ oid >> 6) % PLACES);

	if (label->oid != oid || !OidIsValid(oid))
	{
		char	   *result = OutputFunctionCall(&format->output,
												ObjectIdGetDatum(oid));

		label->oid = oid;
		label->len = (int) strlen(result);
		strlcpy(label->label, result, NAMEDATALEN);
	}
	bbgw_text_append(text, label->label, label->len);
}

const BbgwFormatKind bbgw_format_enums[] = {
	BBGW_FORMAT_WRITE(enum_out, 4, write_enum, false, false, begin),
	{0}
};
