# shellcheck shell=bash disable=SC2034  # variables the scripts use
# Shared by dev/setup, dev/test and dev/demo; sourced, not run.
#
# Tests and demo run on a private copy of the PostgreSQL installation, in which
# the extension is installed. PostgreSQL finds its files relative to its
# binaries, so the copy works wherever it is. The installed server is neither
# changed nor restarted, and nobody needs to be root.

set -euo pipefail
export LC_ALL=C.UTF-8 LANG=C.UTF-8
unset PGHOST PGPORT PGUSER PGDATABASE PGDATA PGOPTIONS PGSERVICE CDPATH

work=
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "${@:-}"; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Prints the pg_config to use: $PG_CONFIG, else PostgreSQL 15's, else the one on
# the PATH. Fails if it comes without server headers.
find_pg_config() {
	local c pgxs
	for c in "${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}" "${PG_CONFIG:-pg_config}"; do
		if pgxs=$("$c" --pgxs 2>/dev/null) && [ -e "$pgxs" ]; then
			command -v "$c"
			return
		fi
	done
	return 1
}

# Prints the major version of a pg_config.
major_version() { "$1" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'; }

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

# Makes $work, a private folder with a copy of the source ($work/src) and of
# PostgreSQL ($work/root); points PG_CONFIG and $bin to the latter.
make_private_copy() {
	local d
	PG_CONFIG=$(find_pg_config) || die "no PostgreSQL with server headers; run dev/setup"
	user=$(server_user)
	work=$(mktemp -d -t backup_bgw.XXXXXX)
	mkdir "$work/src"
	tar -C "$top" --exclude-vcs --exclude='*.o' --exclude='*.bc' --exclude='*.so' \
		--exclude='./tmp_check*' --exclude='./results' --exclude='./log' -cf - . |
		tar -C "$work/src" -xf -

	# Programs must be copies, as a symbolic link would lead home again.
	d=$("$PG_CONFIG" --bindir)
	mkdir -p "$work/root$d"
	cp -L "$d"/* "$work/root$d"
	for d in $("$PG_CONFIG" --pkglibdir) $("$PG_CONFIG" --sharedir); do
		mkdir -p "$work/root$d"
		cp -rs "$d/." "$work/root$d"
		# An installed backup_bgw is not the one to be tested.
		find "$work/root$d/" -name 'backup_bgw*' -prune -exec rm -rf {} +
	done
	for d in $("$PG_CONFIG" --includedir) $("$PG_CONFIG" --includedir-server) $("$PG_CONFIG" --libdir); do
		[ -e "$work/root$d" ] && continue
		mkdir -p "$work/root$(dirname "$d")"
		ln -s "$d" "$work/root$d"
	done
	PG_CONFIG=$work/root$("$PG_CONFIG" --bindir)/pg_config
	bin=$("$PG_CONFIG" --bindir)
	version=$(major_version "$PG_CONFIG")
	export PG_CONFIG
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
}
