/*-------------------------------------------------------------------------
 *
 * format_array.c
 *	  Arrays of types that are written directly.
 *
 * An element is quoted if its text could be taken for something else.  So
 * unless that cannot be, it is written to memory first and looked at.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupmacs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "format/format.h"

typedef struct Array
{
	Oid			element_type;
	BbgwFormat *element;
	BbgwMemoryText *memory;		/* text of one element */
	char		number[MAXPGPATH];	/* ditto, if it has a longest one */
} Array;

static bool
begin(BbgwFormat *format, Oid type)
{
	Array	   *array = palloc0(sizeof(Array));

	array->element_type = get_element_type(getBaseType(type));
	if (!OidIsValid(array->element_type))
		return false;
	array->element = bbgw_format_find(array->element_type);
	/* that does everything else for the array, too */
	if (array->element->kind->output == NULL)
		return false;
	Assert(array->element->room <= sizeof(array->number));
	array->memory = bbgw_text_in_memory();
	format->private = array;
	return true;
}

static void
write_dimensions(BbgwText *text, int ndim, const int *dims, const int *lower)
{
	int			i;

	for (i = 0; i < ndim && lower[i] == 1; i++)
		;
	if (i == ndim)
		return;
	for (i = 0; i < ndim; i++)
	{
		char	   *out = bbgw_text_room(text, 64);

		*out++ = '[';
		out += pg_ltoa(lower[i], out);
		*out++ = ':';
		out += pg_ltoa(lower[i] + dims[i] - 1, out);
		*out++ = ']';
		text->pos = out;
	}
	bbgw_text_char(text, '=');
}

static bool
needs_quotes(const char *string, Size len, char delimiter)
{
	if (len == 0 || (len == 4 && pg_strncasecmp(string, "NULL", 4) == 0))
		return true;
	for (Size i = 0; i < len; i++)
	{
		char		c = string[i];

		if (c == '"' || c == '\\' || c == '{' || c == '}' ||
			c == delimiter || c == ' ' || (c >= '\t' && c <= '\r'))
			return true;
	}
	return false;
}

static void
write_quoted(BbgwText *text, const char *string, Size len)
{
	Size		start = 0;

	bbgw_text_char(text, '"');
	for (Size i = 0; i < len; i++)
	{
		if (string[i] != '"' && string[i] != '\\')
			continue;
		bbgw_text_append(text, string + start, i - start);
		bbgw_text_append(text, "\\", 1);
		start = i;
	}
	bbgw_text_append(text, string + start, len - start);
	bbgw_text_char(text, '"');
}

static void
write_element(Array *array, BbgwText *text, const char *value)
{
	BbgwFormat *element = array->element;
	BbgwWrite	write = element->put ? bbgw_format_by_function : element->write;
	const char *string;
	Size		len;

	/* no delimiter but a comma is known not to be in the text */
	if (element->kind->bare && element->typdelim == ',')
	{
		char	   *end = NULL;

		if (element->put)
			end = element->put(element, bbgw_text_room(text, element->room),
							   value);
		if (end)
			text->pos = end;
		else
			write(element, text, value);
		return;
	}

	if (element->put &&
		(string = element->put(element, array->number, value)) != NULL)
	{
		len = string - array->number;
		string = array->number;
	}
	else
	{
		array->memory->text.pos = array->memory->data;
		write(element, &array->memory->text, value);
		string = array->memory->data;
		len = array->memory->text.pos - string;
	}
	if (needs_quotes(string, len, element->typdelim))
		write_quoted(text, string, len);
	else
		bbgw_text_append(text, string, len);
}

/*
 * Writes an element of variable length, which is stored compressed or out of
 * line only if somebody has made the array without care.
 */
static void
write_varlena(Array *array, BbgwText *text, const char *value)
{
	struct varlena *original = (struct varlena *) unconstify(char *, value);
	struct varlena *plain;

	if (array->element->whole)
		plain = PG_DETOAST_DATUM(PointerGetDatum(original));
	else
		plain = PG_DETOAST_DATUM_PACKED(PointerGetDatum(original));
	write_element(array, text, (const char *) plain);
	if (plain != original)
		pfree(plain);
}

/*
 * Braces and a delimiter after an element.  Returns the outermost dimension
 * that begins anew with the next element; -1: there is none.
 */
static int
write_between(BbgwText *text, int *index, int ndim, const int *dims,
			  char delimiter)
{
	int			i;

	for (i = ndim - 1; i >= 0; i--)
	{
		if (++index[i] < dims[i])
		{
			bbgw_text_char(text, delimiter);
			break;
		}
		index[i] = 0;
		bbgw_text_char(text, '}');
	}
	return i;
}

static void
write_array(BbgwFormat *format, BbgwText *text, const char *value)
{
	Array	   *array = format->private;
	BbgwFormat *element = array->element;
	ArrayType  *v = (ArrayType *) unconstify(char *, value);
	int			ndim = ARR_NDIM(v);
	const int  *dims = ARR_DIMS(v);
	int			nitems = ArrayGetNItems(ndim, dims);
	const char *data = value + (ARR_HASNULL(v) ? (Size) v->dataoffset :
								ARR_OVERHEAD_NONULLS(ndim));
	const uint8 *nulls = ARR_NULLBITMAP(v);
	int			index[MAXDIM] = {0};
	int			from = 0;

	if (ndim > MAXDIM)
		elog(ERROR, "array has %d dimensions", ndim);

	/* as in columns whose type was changed by hand */
	if (unlikely(ARR_ELEMTYPE(v) != array->element_type))
	{
		char	   *result = OutputFunctionCall(&format->output,
												PointerGetDatum(value));

		bbgw_text_append(text, result, strlen(result));
		pfree(result);
		return;
	}
	if (nitems == 0)
	{
		bbgw_text_plain(text, "{}", 2);
		return;
	}

	write_dimensions(text, ndim, dims, ARR_LBOUND(v));
	bbgw_text_char(text, '{');
	for (int i = 0; i < nitems; i++)
	{
		for (int j = from; j < ndim - 1; j++)
			bbgw_text_char(text, '{');

		if (nulls && (nulls[i / 8] & (1 << (i % 8))) == 0)
			bbgw_text_plain(text, "NULL", 4);
		else
		{
			if (element->typlen == -1)
				write_varlena(array, text, data);
			else
				write_element(array, text, data);
			data = att_addlength_pointer(data, element->typlen, data);
			data = (const char *) att_align_nominal(data, element->typalign);
		}
		from = write_between(text, index, ndim, dims, element->typdelim);
	}
}

const BbgwFormatKind bbgw_format_arrays[] = {
	BBGW_FORMAT_WRITE(array_out, -1, write_array, false, true, begin),
	{0}
};
