# shellcheck shell=bash disable=SC2034,SC2154 # variables of dev/bench
# dev/bench scale; sourced by dev/bench, which says what it is for.
#
# Default settings, so pg_dump may run out of locks; fsync is on. What the schema
# alone takes is measured, too.

bench_scale() {
	local name

	start_server scale "shared_preload_libraries = 'backup_bgw'
		backup_bgw.directory = '$work/backups'"
	server=scale
	as_user mkdir "$work/backups"
	export PGHOST=$work/scale
	find_contestants
	sql -c 'CREATE DATABASE tables' -c 'CREATE DATABASE objects'
	say "making ${option[tables]} tables and ${option[objects]} large objects"
	sql -d tables -c 'CREATE EXTENSION backup_bgw'
	data_tables "${option[tables]}" 1 | sql -d tables >/dev/null
	sql -d objects -c 'CREATE EXTENSION backup_bgw'
	data_objects "${option[objects]}" | sql -d objects >/dev/null
	for name in tables objects; do
		sql -d $name -c 'VACUUM ANALYZE'
		printf '%s memory %s\n' $name "$(peak_memory $name)" >>"$work/results"
		compete $name
	done
	report
	schema_alone
}

# What pg_dump takes when the backup does nothing else, as its workers may read
# next to nothing. As of the backup's snapshot it needs no locks.
schema_alone() {
	local id seconds
	clear
	as_user tee "$work/pg_dump" >/dev/null <<-SCRIPT
		#!/bin/bash
		case "\$*" in *--version*) exec '$bin/pg_dump' "\$@" ;; esac
		TIMEFORMAT=%R
		{ time '$bin/pg_dump' "\$@" 2>&3; } 3>&2 2>'$work/schema'
		mv '$work/schema' '$work/schema.time'
		sleep 600
	SCRIPT
	as_user chmod +x "$work/pg_dump"
	id=$(sql -d tables -c "SET backup_bgw.pg_dump_path = '$work/pg_dump'" \
		-c "SELECT start_backup('schema', jobs => ${option[jobs]}, max_rate => '1kB')")
	until [ -e "$work/schema.time" ]; do sleep 0.05; done
	sql -d tables -c "SELECT cancel_backup($id)" -c "SELECT wait_backup($id)" >/dev/null
	seconds=$(cat "$work/schema.time")
	awk -v schema="$seconds" '$1 == "tables" && $2 == "backup_bgw" { print $3 }' "$work/results" | sort -n |
		awk -v schema="$seconds" '{ t[NR] = $1 }
			END {
				median = (t[int((NR + 1) / 2)] + t[int(NR / 2) + 1]) / 2
				printf "tables: pg_dump alone, as of a snapshot, takes %.2f s; the backup %.2f times that\n", schema, median / schema
			}'
}
