/*-------------------------------------------------------------------------
 *
 * format_net.c
 *	  inet and cidr.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "port.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"

#include "format/format.h"

#define MAX_LENGTH \
	sizeof("xxxx:xxxx:xxxx:xxxx:xxxx:xxxx:255.255.255.255/128")

static void
write_address(BbgwText *text, const char *value, bool always_bits)
{
	const inet_struct *address = (const inet_struct *) VARDATA_ANY(value);
	char	   *start = bbgw_text_room(text, 2 * MAX_LENGTH);
	char	   *out = start;
	bool		has_bits;

	/* what there is of such an address, and no more, else an error is raised */
	if (address->family == PGSQL_AF_INET && address->bits <= 32 &&
		VARSIZE_ANY_EXHDR(value) >= offsetof(inet_struct, ipaddr) + 4)
	{
		for (int i = 0; i < 4; i++)
		{
			out += pg_ultoa_n(address->ipaddr[i], out);
			*out++ = '.';
		}
		out--;
		has_bits = false;
	}
	else
	{
		if (pg_inet_net_ntop(address->family, address->ipaddr, address->bits,
							 start, MAX_LENGTH) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					 errmsg("could not format inet value: %m")));
		out += strlen(start);
		has_bits = memchr(start, '/', out - start) != NULL;
	}

	if (!has_bits &&
		(always_bits ||
		 (address->family == PGSQL_AF_INET && address->bits != 32)))
	{
		*out++ = '/';
		out += pg_ultoa_n(address->bits, out);
	}
	text->pos = out;
}

static void
write_inet(BbgwFormat *format, BbgwText *text, const char *value)
{
	write_address(text, value, false);
}

static void
write_cidr(BbgwFormat *format, BbgwText *text, const char *value)
{
	write_address(text, value, true);
}

const BbgwFormatKind bbgw_format_nets[] = {
	BBGW_FORMAT_WRITE(inet_out, -1, write_inet, true, false, NULL),
	BBGW_FORMAT_WRITE(cidr_out, -1, write_cidr, true, false, NULL),
	{0}
};
