# backup_bgw: needs PostgreSQL 15 or later with its server headers, and liblz4.
#
#   make && make install          for the server of $(PG_CONFIG)
#   make installcheck             pg_regress and TAP, each on servers of its own
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

PG_PROVE_FLAGS += -I $(srcdir)/t/lib

# A changed header rebuilds everything; the tree is small.
$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h src/*/*.h)

.PHONY: format
format:
	dev/indent
	perltidy --profile=.perltidyrc t/*.pl t/lib/*.pm dev/indent
