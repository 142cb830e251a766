/*-------------------------------------------------------------------------
 *
 * large_objects.h
 *	  Reads a unit of large objects, each into a file of its own.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_LARGE_OBJECTS_H
#define BBGW_LARGE_OBJECTS_H

#include "copy/plan.h"

extern bool bbgw_large_objects_unit(BbgwBackup *backup, BbgwWorkerSlot *slot,
									BbgwUnit *unit, BbgwSink *sink,
									BbgwSink *report, bool insist);

#endif							/* BBGW_LARGE_OBJECTS_H */
