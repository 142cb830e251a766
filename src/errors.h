/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  Errors on their way from one process to another.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_ERRORS_H
#define BBGW_ERRORS_H

#include "backup_bgw.h"

/* In shared memory, so of fixed size.  The lock is that of what it is part of. */
typedef struct BbgwError
{
	int			sqlerrcode;		/* 0: no error */
	char		message[1024];
	char		detail[2048];
	char		hint[512];
	char		context[512];
} BbgwError;

extern void bbgw_error_capture(BbgwError *error, const ErrorData *edata);
pg_noreturn extern void bbgw_error_throw(const BbgwError *error,
										 const char *fallback);

#endif							/* BBGW_ERRORS_H */
