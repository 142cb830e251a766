/*-------------------------------------------------------------------------
 *
 * objects.h
 *	  Large objects: those that pg_dump knows, and those that workers have written.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_OBJECTS_H
#define BBGW_OBJECTS_H

#include "archive/sink.h"

/* Large objects that are in one list */
typedef struct BbgwObjectGroup
{
	int			dump_id;		/* of the entry that creates them */
	const char *filename;		/* of the list; NULL: none */
	size_t		first;			/* in BbgwObjects.oids */
	size_t		n;
} BbgwObjectGroup;

/* What pg_dump knows; all zeros at first */
typedef struct BbgwObjects
{
	Oid		   *oids;
	size_t		n;
	size_t		max;
	BbgwObjectGroup *groups;
	size_t		ngroups;
	size_t		max_groups;
	size_t		next_group;		/* those before it have a list */
	size_t		next;			/* those before it have a file */
} BbgwObjects;

/* A report being read */
typedef struct BbgwObjectReport BbgwObjectReport;

extern void bbgw_objects_add(BbgwObjects *objects, Oid oid);
extern void bbgw_objects_add_group(BbgwObjects *objects, int dump_id,
								   const char *oids);
extern void bbgw_objects_add_list(BbgwObjects *objects, int dump_id,
								  const char *filename);
extern void bbgw_objects_write_list(const BbgwObjects *objects,
									const BbgwObjectGroup *group,
									BbgwSink *sink);
extern void bbgw_objects_sort(BbgwObjects *objects);
extern bool bbgw_objects_have(BbgwObjects *objects, Oid oid);
extern void bbgw_objects_end(const BbgwObjects *objects);

extern void bbgw_object_report_add(BbgwSink *sink, Oid oid,
								   const BbgwFileInfo *info);
extern BbgwObjectReport *bbgw_object_report_open(const char *path,
												 const BbgwFileInfo *info);
extern bool bbgw_object_report_next(BbgwObjectReport *report, Oid *oid,
									BbgwFileInfo *info);

#endif							/* BBGW_OBJECTS_H */
