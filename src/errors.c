/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  Errors on their way from one process to another.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "errors.h"

static void
capture_text(char *dst, Size size, const char *src)
{
	if (src)
	{
		int			len = pg_mbcliplen(src, strlen(src), size - 1);

		memcpy(dst, src, len);
		dst[len] = '\0';
	}
	else
		dst[0] = '\0';
}

/*
 * Copies what a user needs of an error to *error.  Any locking is the
 * caller's.  Raises nothing.
 */
void
bbgw_error_capture(BbgwError *error, const ErrorData *edata)
{
	error->sqlerrcode = edata->sqlerrcode;
	capture_text(error->message, sizeof(error->message), edata->message);
	capture_text(error->detail, sizeof(error->detail), edata->detail);
	capture_text(error->hint, sizeof(error->hint), edata->hint);
	capture_text(error->context, sizeof(error->context), edata->context);
}

/*
 * Raises a captured error (a copy of it, so that no lock needs to be held), or
 * "fallback" as an internal error when none was captured.
 */
void
bbgw_error_throw(const BbgwError *error, const char *fallback)
{
	if (error->sqlerrcode == 0)
		elog(ERROR, "%s", fallback);

	ereport(ERROR,
			(errcode(error->sqlerrcode),
			 errmsg_internal("%s", error->message),
			 error->detail[0] ? errdetail_internal("%s", error->detail) : 0,
			 error->hint[0] ? errhint("%s", error->hint) : 0,
			 error->context[0] ? errcontext_msg("%s", error->context) : 0));
}
