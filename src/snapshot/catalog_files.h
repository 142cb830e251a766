/*-------------------------------------------------------------------------
 *
 * catalog_files.h
 *	  Which files of catalogs are read as of S.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_CATALOG_FILES_H
#define BBGW_CATALOG_FILES_H

#include "backup_bgw.h"

extern bool bbgw_catalog_files_own(bool catalog_tables);
extern void bbgw_catalog_files_set(bool own_files);
extern bool bbgw_catalog_files_present(void);
extern void bbgw_catalog_files_reset(void);
extern void bbgw_catalog_files_pin(int64 backup_id);

#endif							/* BBGW_CATALOG_FILES_H */
