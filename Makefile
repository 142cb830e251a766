# backup_bgw: needs PostgreSQL 15 or later with its server headers, and liblz4.
# Takes libzstd and zlib, too, if they are installed with their headers.
#
#   make && make install          for the server of $(PG_CONFIG)
#   make installcheck             pg_regress and TAP, each on servers of its own
#   make with_zstd=no             without libzstd; with_zlib=no likewise; yes: an
#                                 error if it is not there (after make clean)
#   make format                   pgindent's formatting of src/, perltidy's of t/
#
# dev/test does all of it without touching the installed server.

MODULE_big = backup_bgw
SRCS = $(sort $(wildcard src/*.c src/*/*.c))
OBJS = $(patsubst %.c,%.o,$(SRCS))

EXTENSION = backup_bgw
DATA = sql/backup_bgw--1.0.sql
PGFILEDESC = "backup_bgw - logical backups in the background that block no DDL"

PG_CPPFLAGS = -Isrc
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter
SHLIB_LINK = -llz4

REGRESS = functions privileges
REGRESS_OPTS = --temp-instance=./tmp_check_regress \
	--temp-config=./dev/regress.conf --no-locale --encoding=UTF8
TAP_TESTS = 1
EXTRA_CLEAN = tmp_check_regress

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Is there a library with this header?
has_header = $(shell $(CC) $(CPPFLAGS) -x c -include $(1) -E /dev/null \
	>/dev/null 2>&1 && echo yes)

# PGXS has variables of these names, which say what the server was built with.
ifneq ($(origin with_zstd),command line)
with_zstd := $(call has_header,zstd.h)
endif
ifneq ($(origin with_zlib),command line)
with_zlib := $(call has_header,zlib.h)
endif
ifeq ($(with_zstd),yes)
override CPPFLAGS += -DBBGW_WITH_ZSTD
SHLIB_LINK += -lzstd
endif
ifeq ($(with_zlib),yes)
override CPPFLAGS += -DBBGW_WITH_ZLIB
SHLIB_LINK += -lz
endif

PG_PROVE_FLAGS += -I $(srcdir)/t/lib

# A changed header rebuilds everything; the tree is small.
$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h src/*/*.h)

.PHONY: format
format:
	dev/indent
	perltidy --profile=.perltidyrc t/*.pl t/lib/*.pm dev/indent
