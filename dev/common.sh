# shellcheck shell=bash disable=SC2034  # variables the scripts use
# Shared by the scripts in dev/; sourced, not run.
#
# Tests and demo run on a private copy of the PostgreSQL installation, in which
# the extension is installed. PostgreSQL finds its files relative to its
# binaries, so the copy works wherever it is. The installed server is neither
# changed nor restarted, and nobody needs to be root.
#
# Nothing that writes into the copy can write elsewhere:
#  - it has plain files and folders only, all made here. There is no link in it,
#    so no path that begins in it leaves it;
#  - every folder that its pg_config names, and so every one that "make install"
#    writes to, begins in it;
#  - what would send make elsewhere (DESTDIR, MAKEFLAGS) is not passed on.
# check_private_copy() verifies the first two, before and after the build.

set -euo pipefail
export LC_ALL=C.UTF-8 LANG=C.UTF-8
unset PGHOST PGPORT PGUSER PGDATABASE PGDATA PGOPTIONS PGSERVICE CDPATH
unset DESTDIR MAKEFLAGS MFLAGS MAKELEVEL MAKEFILES MAKEOVERRIDES

oldest_version=15
for_tests= # not empty: the PostgreSQL to use must have what dev/test uses, too
work=
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "${@:-}"; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Prints the major version of a pg_config.
major_version() { "$1" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'; }

# Prints the pg_configs to choose from, best first: $PG_CONFIG and no other, or
# the one on the PATH, then those of packages, newest version first.
known_pg_configs() {
	local c bindir paths
	if [ -n "${PG_CONFIG:-}" ]; then
		paths=("$PG_CONFIG")
	else
		mapfile -t paths < <(printf '%s\n' /usr/lib/postgresql/*/bin/pg_config /usr/pgsql-*/bin/pg_config | sort -rV)
		paths=(pg_config "${paths[@]}" /usr/local/pgsql/bin/pg_config)
	fi
	for c in "${paths[@]}"; do
		# Debian's /usr/bin/pg_config speaks for another, which may not be there.
		bindir=$("$c" --bindir 2>/dev/null) || continue
		[ -x "$bindir/pg_config" ] || continue
		[ "$(major_version "$bindir/pg_config")" -ge $oldest_version ] || continue
		echo "$bindir/pg_config"
	done | awk '!seen[$0]++'
}

# Prints the first of some files that is not there.
first_missing() {
	local f
	for f; do
		[ -e "$f" ] || {
			echo "$f"
			return
		}
	done
}

# Prints what a PostgreSQL installation lacks of what is used here, a line each:
# the part (headers, pgxs, server, client) and a file of it. Packages divide
# PostgreSQL in different ways, so having one part says nothing about another.
lacking() {
	local c=$1 bindir headers pgxs programs f
	bindir=$("$c" --bindir) headers=$("$c" --includedir-server) pgxs=$("$c" --pgxs)
	f=$(first_missing "$headers"/{postgres,pg_config}.h)
	if [ -z "$f" ] && grep -qs '^#define PG_MAJORVERSION_NUM' "$headers/pg_config.h" &&
		! grep -qs "^#define PG_MAJORVERSION_NUM $(major_version "$c")\$" "$headers/pg_config.h"; then
		f="$headers/pg_config.h (of the same version)"
	fi
	[ -z "$f" ] || echo "headers $f"

	programs=("$pgxs")
	[ -z "$for_tests" ] || programs+=("${pgxs%/makefiles/*}"/test/{regress/pg_regress,perl/PostgreSQL/Test/Cluster.pm})
	f=$(first_missing "${programs[@]}")
	[ -z "$f" ] || echo "pgxs $f"

	f=$(first_missing "$bindir"/{postgres,initdb,pg_ctl,pgbench,pg_checksums})
	[ -z "$f" ] || echo "server $f"

	f=$(first_missing "$bindir"/{psql,pg_dump,pg_restore,pg_verifybackup,pg_basebackup})
	[ -z "$f" ] || echo "client $f"
}

# Prints the pg_config to use: the first one whose installation lacks nothing.
find_pg_config() {
	local c
	while read -r c; do
		if [ -z "$(lacking "$c")" ]; then
			echo "$c"
			return
		fi
	done < <(known_pg_configs)
	return 1
}

# The user that servers and tests run as: PostgreSQL refuses to run as root.
server_user() {
	if [ "$(id -u)" != 0 ]; then
		id -un
	elif id postgres >/dev/null 2>&1; then
		echo postgres
	else
		echo nobody
	fi
}

# Runs a command as that user, in the present folder.
as_user() {
	if [ "$(id -u)" = 0 ]; then
		runuser -u "$user" -- env HOME="$work" "$@"
	else
		"$@"
	fi
}

# Copies all files below a folder, which links may lead to, to another folder, as
# plain files of their own. find names links that lead nowhere or in a circle;
# they are left out.
copy_files() {
	local from=$1 to=$2
	mkdir -p "$to"
	(cd "$from" && { find -L . -type f -readable -print0 2>/dev/null || true; }) |
		tar -C "$from" --null --no-recursion --verbatim-files-from -T - --dereference --hard-dereference -cf - |
		tar -C "$to" --no-same-owner -xf -
}

# Dies if something that writes into the private copy could write elsewhere.
check_private_copy() {
	local f what
	f=$(find "$work/src" "$work/root" ! -type d ! -type f -print -quit)
	[ -z "$f" ] || die "$f is neither a file nor a folder, so the private copy is not safe to write to"
	for what in bindir docdir htmldir includedir pkgincludedir includedir-server libdir pkglibdir \
		localedir mandir sharedir sysconfdir pgxs; do
		f=$("$PG_CONFIG" --$what)
		case $(realpath -m "$f") in
		"$(realpath "$work")"/root/*) ;;
		*) die "$PG_CONFIG says $f for --$what, which is outside the private copy" ;;
		esac
	done
}

# Makes $work, a private folder with a copy of the source ($work/src) and of
# PostgreSQL ($work/root); points PG_CONFIG and $bin to the latter.
make_private_copy() {
	local c d f
	c=$(find_pg_config) || die "no complete PostgreSQL; run dev/setup"
	user=$(server_user)
	work=$(mktemp -d -t backup_bgw.XXXXXX)
	mkdir "$work/src"
	(cd "$top" && find . \( -name .git -o -path './tmp_check*' -o -path ./results -o -path ./log \) -prune -o \
		-type f ! -name '*.o' ! -name '*.bc' ! -name '*.so' -print0) |
		tar -C "$top" --null --no-recursion --verbatim-files-from -T - -cf - |
		tar -C "$work/src" --no-same-owner -xf -

	# A folder of programs may be one that all the system's programs are in.
	d=$("$c" --bindir)
	mkdir -p "$work/root$d"
	for f in "$d"/{postgres,initdb,psql,pgbench,pg_*,create*,drop*,vacuum*,reindexdb,clusterdb}; do
		[ ! -f "$f" ] || [ ! -x "$f" ] || cp -L "$f" "$work/root$d"
	done
	# "internal" has what comes with libpq; libpq itself is for programs that look
	# for it beside them.
	for d in $("$c" --pkglibdir) $("$c" --sharedir) $("$c" --includedir-server) $("$c" --pkgincludedir)/internal; do
		[ -d "$d" ] || continue
		copy_files "$d" "$work/root$d"
		# An installed backup_bgw is not the one to be tested.
		find "$work/root$d" -mindepth 1 -name 'backup_bgw*' -prune -exec rm -rf {} +
	done
	d=$("$c" --libdir)
	mkdir -p "$work/root$d"
	for f in "$d"/libpq*.so*; do
		[ ! -f "$f" ] || cp -L "$f" "$work/root$d"
	done

	PG_CONFIG=$work/root$("$c" --bindir)/pg_config
	bin=$("$PG_CONFIG" --bindir)
	version=$(major_version "$PG_CONFIG")
	export PG_CONFIG
	check_private_copy
	[ "$(id -u)" != 0 ] || chown -R -h "$user" "$work"
	cd "$work"
}

# Builds and installs into the private copy; shows the log only if that fails
# or the compiler has something to say.
build() {
	say "building for $("$PG_CONFIG" --version)"
	if ! as_user make -C "$work/src" -j"$(nproc)" with_llvm=no all install >"$work/build.log" 2>&1; then
		cat "$work/build.log" >&2
		die "build failed"
	fi
	grep -A5 'warning:' "$work/build.log" || true
	check_private_copy
}
