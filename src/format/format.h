/*-------------------------------------------------------------------------
 *
 * format.h
 *	  Values to text, as the output functions of their types make it.
 *
 * An output function is called through several layers, allocates its result,
 * and somebody copies that.  For the types that tables are made of the text is
 * written straight to its place here.  What a type is goes by its output
 * function, so that domains, and types that somebody has made of the same
 * function, are among them.  All others are left to their output functions.
 *
 * Settings that the text depends on are those of the transaction in which the
 * format was found, with DateStyle and IntervalStyle as pg_dump sets them.
 *
 * A value is given as a pointer to where it is stored, in a tuple or an array.
 * No alignment is taken for granted, but where BbgwFormat says so.  A varlena
 * is neither compressed nor out of line, and may have a short header.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_FORMAT_H
#define BBGW_FORMAT_H

#include "fmgr.h"

#include "compat.h"
#include "format/text.h"

typedef struct BbgwFormat BbgwFormat;

/*
 * Writes a value to where there is room, and returns the end of its text; NULL if
 * the type has no such value, as in damaged rows: bbgw_format_by_function() does
 * whatever the server does then.
 */
typedef char *(*BbgwPut) (BbgwFormat *format, char *out, const char *value);

/*
 * Writes a value.  If it has the size of a page at most, it may be in one, see
 * text.h; the caller makes room for BBGW_TEXT_PAGE before.
 */
typedef void (*BbgwWrite) (BbgwFormat *format, BbgwText *text,
						   const char *value);

/* How all values of some types become text: a line of the table in format.c */
typedef struct BbgwFormatKind
{
	PGFunction	output;
	int16		typlen;
	Size		room;			/* of any value's text; 0: there is no "put" */
	BbgwPut		put;			/* text without characters that are escaped */
	BbgwWrite	write;			/* if there is no "put" */
	bool		bare;			/* not quoted in arrays, whatever the value */
	bool		whole;			/* "write" wants the value in memory that is
								 * aligned and stays, with a long header */

	/* prepares a format for a type; false: leave it to the output function */
	bool		(*begin) (BbgwFormat *format, Oid type);
} BbgwFormatKind;

#define BBGW_FORMAT_PUT(output, typlen, room, put, bare, begin) \
	{output, typlen, room, put, NULL, bare, false, begin}
#define BBGW_FORMAT_WRITE(output, typlen, write, bare, whole, begin) \
	{output, typlen, 0, NULL, write, bare, whole, begin}

/* The same for one type, and what belongs to it */
struct BbgwFormat
{
	const BbgwFormatKind *kind;
	BbgwPut		put;			/* copied, as they are used so much */
	BbgwWrite	write;
	Size		room;
	bool		whole;
	int16		typlen;
	bool		typbyval;
	char		typalign;
	char		typdelim;
	FmgrInfo	output;
	void	   *private;		/* the kind's */
};

extern BbgwFormat *bbgw_format_find(Oid type);
extern void bbgw_format_by_function(BbgwFormat *format, BbgwText *text,
									const char *value);

/* the families; the last of each has no output function */
extern const BbgwFormatKind bbgw_format_ints[];
extern const BbgwFormatKind bbgw_format_floats[];
extern const BbgwFormatKind bbgw_format_numerics[];
extern const BbgwFormatKind bbgw_format_texts[];
extern const BbgwFormatKind bbgw_format_bytes[];
extern const BbgwFormatKind bbgw_format_datetimes[];
extern const BbgwFormatKind bbgw_format_intervals[];
extern const BbgwFormatKind bbgw_format_nets[];
extern const BbgwFormatKind bbgw_format_enums[];
extern const BbgwFormatKind bbgw_format_moneys[];
extern const BbgwFormatKind bbgw_format_jsonbs[];
extern const BbgwFormatKind bbgw_format_arrays[];

/* format_numeric.c */
extern void bbgw_format_numeric(BbgwFormat *format, BbgwText *text,
								const char *value);

#endif							/* BBGW_FORMAT_H */
