/*-------------------------------------------------------------------------
 *
 * objects.h
 *	  What the workers say of the large objects that they have written.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_OBJECTS_H
#define BBGW_OBJECTS_H

#include "archive/sink.h"

/* a list that pg_dump has written; see objects.c */
typedef struct BbgwObjectList
{
	Oid		   *oids;
	size_t		n;
	size_t		max;
	size_t		next;			/* these before it have a file */
} BbgwObjectList;

/* A report being read */
typedef struct BbgwObjectReport BbgwObjectReport;

extern void bbgw_object_report_add(BbgwSink *sink, Oid oid,
								   const BbgwFileInfo *info);
extern BbgwObjectReport *bbgw_object_report_open(const char *path,
												 const BbgwFileInfo *info);
extern bool bbgw_object_report_next(BbgwObjectReport *report, Oid *oid,
									BbgwFileInfo *info);

extern void bbgw_object_list_add(BbgwObjectList *list, Oid oid);
extern void bbgw_object_list_read(BbgwObjectList *list, const char *path);
extern void bbgw_object_list_write(BbgwSink *sink, Oid oid, const char *name);
extern void bbgw_object_list_sort(BbgwObjectList *list);
extern bool bbgw_object_list_has(BbgwObjectList *list, Oid oid);
extern void bbgw_object_list_end(const BbgwObjectList *list);

#endif							/* BBGW_OBJECTS_H */
