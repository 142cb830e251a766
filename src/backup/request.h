/*-------------------------------------------------------------------------
 *
 * request.h
 *	  What the caller of start_backup() asks for.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_REQUEST_H
#define BBGW_REQUEST_H

#include "shmem.h"

#include "nodes/pg_list.h"

#include "copy/plan.h"

extern void bbgw_request_compression(const char *text,
									 BbgwCompression *compression,
									 int *level);
extern uint64 bbgw_request_rate(const char *text);
extern char *bbgw_request_destination(const char *text, const char *datname,
									  TimestampTz now);

/*
 * What the leader needs besides what is in the slot: patterns, and settings as
 * they are in the session of the caller.
 */
typedef struct BbgwRequestSettings
{
	int			slice_size;		/* in blocks; 0: no slices */
	int			max_preserved_size; /* in kB; 0: no limit */
	int			prepared_transactions;	/* BbgwPreparedTransactions */
	int			commit_timeout; /* in ms; 0: none */
	bool		overlap;		/* read tables while pg_dump runs */
} BbgwRequestSettings;

typedef struct BbgwRequest
{
	BbgwRequestSettings settings;
	char	   *conninfo;
	char	   *pg_dump_path;	/* resolved */
	List	   *include;
	List	   *exclude;
} BbgwRequest;

extern Size bbgw_request_size(const BbgwRequest *request);
extern void bbgw_request_write(char *dst, const BbgwRequest *request);
extern BbgwRequest *bbgw_request_read(const char *src);

/* patterns.c */
extern void bbgw_patterns_select(List *include, List *exclude,
								 BbgwSelection *selection);

#endif							/* BBGW_REQUEST_H */
