# shellcheck shell=bash disable=SC2154 # variables of dev/bench
# dev/bench drop; sourced by dev/bench, which says what it is for.
#
# The backup is held when it has its snapshot and the schema: a stand-in for pg_dump
# waits.
#
bench_drop() {
	local tables=${number:-10000} situation id

	printf '%s\n' '#!/bin/sh' "'$bin/pg_dump' \"\$@\" || exit" "while [ -e '$work/hold' ]; do sleep 0.05; done" |
		as_user tee "$work/pg_dump" >/dev/null
	as_user chmod +x "$work/pg_dump"
	# without fsync, as waiting for the disk would hide what the library costs
	start_server drop "fsync = off
		shared_preload_libraries = 'backup_bgw'
		backup_bgw.directory = '$work/backups'
		backup_bgw.pg_dump_path = '$work/pg_dump'
		max_connections = 20
		max_locks_per_transaction = $((tables / 4 + 1000))"
	as_user mkdir "$work/backups"
	export PGHOST=$work/drop
	say "making $tables tables"
	sql -c 'CREATE DATABASE model'
	sql -d model <<-SQL
		CREATE EXTENSION backup_bgw;
		CREATE TABLE kept (i int);
		CREATE SCHEMA many;
		SELECT format('CREATE TABLE many.t_%s (id int, t text)', i) FROM generate_series(1, $tables) i \gexec
	SQL
	for situation in idle backup; do
		PGOPTIONS='-c client_min_messages=warning' sql -c 'DROP DATABASE IF EXISTS bench' -c 'CREATE DATABASE bench TEMPLATE model STRATEGY file_copy'
		if [ $situation = backup ]; then
			touch "$work/hold"
			id=$(sql -d bench -c "SELECT start_backup('drop', jobs => 1, include => '{kept}')")
		fi
		sql -d bench <<-'SQL' | awk -v situation=$situation '/^Time:/ { print situation, ++n == 1 ? "drop" : "commit", $2 }' >>"$work/drop.times"
			SET client_min_messages = warning;
			BEGIN;
			\timing on
			DROP SCHEMA many CASCADE;
			COMMIT;
		SQL
	done
	sql -d bench -c "SELECT format('%s files were preserved', files_preserved) FROM backup_progress WHERE backup_id = $id"
	rm "$work/hold"
	sql -d bench -c "SELECT wait_backup($id)" >/dev/null
	awk -v tables="$tables" '{ t[$1, $2] = $3 }
		END {
			printf "%d tables dropped, ms: %12s %14s %8s\n", tables, "idle", "beside backup", "ratio"
			for (i = split("drop commit", what, " "); i > 0; i--)
				printf "%-30s %12.0f %14.0f %8.2f\n", what[i] == "drop" ? "DROP SCHEMA" : "COMMIT", t["idle", what[i]], t["backup", what[i]],
					t["backup", what[i]] / t["idle", what[i]]
		}' "$work/drop.times"
}
