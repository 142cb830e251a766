/*-------------------------------------------------------------------------
 *
 * codec_zstd.c
 *	  Zstandard: one frame per file, flushed after each block.
 *
 * The library looks for repetitions in what came before a block, too, and has
 * memory for that: 4 MB at the default level, 100 MB at 19, 800 MB at 22.  It needs
 * less for a file of one block, whose size it knows in advance.
 *
 * The frame carries a checksum, so that zstd -d and pg_restore notice damage also
 * where nobody looked into the manifest.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef BBGW_WITH_ZSTD
#include <zstd.h>
#include <zstd_errors.h>
#endif

#include "archive/codec.h"

#ifdef BBGW_WITH_ZSTD

static size_t
check_zstd(size_t result)
{
	/* high levels want much memory */
	if (ZSTD_isError(result))
		ereport(ERROR,
				(errcode(ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation ?
						 ERRCODE_OUT_OF_MEMORY : ERRCODE_INTERNAL_ERROR),
				 errmsg("zstd compression failed: %s",
						ZSTD_getErrorName(result))));
	return result;
}

static void
zstd_levels(int *min, int *max)
{
	*min = ZSTD_minCLevel();
	*max = ZSTD_maxCLevel();
}

static void *
zstd_create(int level)
{
	ZSTD_CCtx  *cctx = ZSTD_createCCtx();

	if (cctx == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	check_zstd(ZSTD_CCtx_setParameter(cctx, ZSTD_c_compressionLevel, level));
	check_zstd(ZSTD_CCtx_setParameter(cctx, ZSTD_c_checksumFlag, 1));
	return cctx;
}

static size_t
zstd_begin(void *state, char *out)
{
	check_zstd(ZSTD_CCtx_reset(state, ZSTD_reset_session_only));
	return 0;
}

static size_t
zstd_block(void *state, char *out, const char *data, size_t len, bool last)
{
	ZSTD_inBuffer in = {.src = data,.size = len};
	ZSTD_outBuffer compressed = {.dst = out,.size = BBGW_SINK_MAX_RESERVE};

	if (check_zstd(ZSTD_compressStream2(state, &compressed, &in,
										last ? ZSTD_e_end : ZSTD_e_flush)) > 0)
		elog(ERROR, "zstd compression of %zu bytes needs more than %d",
			 len, BBGW_SINK_MAX_RESERVE);
	return compressed.pos;
}
#endif

const BbgwCodec bbgw_codec_zstd = {
	.name = "zstd",
	.suffix = ".zst",
	.library = "libzstd",
#ifdef BBGW_WITH_ZSTD
	.levels = zstd_levels,
	.default_level = ZSTD_CLEVEL_DEFAULT,
	.slow_level = 0,
	.create = zstd_create,
	.begin = zstd_begin,
	.block = zstd_block,
#endif
};
