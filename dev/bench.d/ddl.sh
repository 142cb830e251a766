# shellcheck shell=bash disable=SC2154 # variables of dev/bench
# dev/bench ddl; sourced by dev/bench, which says what it is for.
#
# The tables are t_1, t_2, ... of some sizes. One session does DDL on them, two
# sessions query the table that is subject to DDL at the moment; psql measures.
#
# Every other time DDL hits the table that is being read, so the same ones again
# and again; in between, one that has not been hit yet, as long as there are such.
# So each of these is one whose files the backup still needs.
#
bench_ddl() {
	local rate=${number:-35} give_up=1000 id
	local sizes="(1, 300), (8, 60), (256, 4)" # MB, number of tables

	start_server ddl "shared_preload_libraries = 'backup_bgw'
		backup_bgw.directory = '$work/backups'"
	as_user mkdir "$work/backups"
	export PGHOST=$work/ddl

	say "loading"
	sql -c 'CREATE DATABASE model'
	sql -d model >/dev/null <<-SQL
		CREATE EXTENSION backup_bgw;
		CREATE SCHEMA bench;
		CREATE TABLE bench.mb (id int, v int, pad text);
		ALTER TABLE bench.mb ALTER pad SET STORAGE plain;
		INSERT INTO bench.mb SELECT g, g, (SELECT string_agg(md5(concat(g, i)), '') FROM generate_series(1, 30) i)
			FROM generate_series(1, 1024) g;
		CREATE TABLE bench.tables AS
			SELECT 't_' || row_number() OVER () AS name, mb, false AS hit,
				CASE i % CASE mb WHEN 1 THEN 3 ELSE 2 END WHEN 0 THEN 'TRUNCATE' WHEN 1 THEN 'DROP+CREATE' ELSE 'ALTER_TYPE' END AS kind
			FROM (VALUES $sizes) AS s(mb, n), generate_series(1, n) i ORDER BY random();
		CREATE TABLE bench.now (name text, over bool);
		INSERT INTO bench.now SELECT name, false FROM bench.tables LIMIT 1;

		-- Waits for the next table to be hit; none if the situation is over.
		CREATE FUNCTION bench.next(situation text, INOUT number int, OUT name text, OUT kind text, OUT mb int, OUT state text, OUT over bool)
		LANGUAGE plpgsql AS \$\$
		DECLARE
			reading text;
		BEGIN
			LOOP
				PERFORM pg_sleep(0.02);
				number := number + 1;
				over := CASE situation
					WHEN 'backup' THEN NOT EXISTS (SELECT FROM backup_progress)
					WHEN 'pg_dump' THEN NOT EXISTS (SELECT FROM pg_stat_get_activity(NULL) WHERE application_name = 'pg_dump')
					ELSE NOT EXISTS (SELECT FROM bench.tables WHERE NOT hit) END;
				EXIT WHEN over;
				IF situation = 'backup' AND number % 2 = 0 THEN
					SELECT split_part(relation, '.', 2) INTO reading FROM backup_workers WHERE relation LIKE 'public.t\_%' ORDER BY random() LIMIT 1;
				ELSIF situation = 'pg_dump' AND number % 2 = 0 THEN
					SELECT substring(query FROM '^COPY public\.(t_\d+) ') INTO reading
					FROM pg_stat_get_activity(NULL) WHERE application_name = 'pg_dump' AND query LIKE 'COPY public.t\_%';
				END IF;
				IF reading IS NOT NULL THEN
					UPDATE bench.tables t SET hit = true WHERE t.name = reading RETURNING t.name, t.kind, t.mb, 'read' INTO name, kind, mb, state;
				ELSE
					UPDATE bench.tables t SET hit = true WHERE t.name = (SELECT u.name FROM bench.tables u WHERE NOT hit LIMIT 1)
					RETURNING t.name, t.kind, t.mb, 'fresh' INTO name, kind, mb, state;
				END IF;
				EXIT WHEN name IS NOT NULL;
			END LOOP;
			UPDATE bench.now SET name = coalesce(next.name, now.name), over = next.over;
		END \$\$;
		SELECT format('CREATE TABLE %s (LIKE bench.mb INCLUDING ALL)', name) FROM bench.tables \gexec
		SELECT format('INSERT INTO %s SELECT mb.* FROM bench.mb, generate_series(1, %s)', name, mb) FROM bench.tables \gexec
	SQL
	say "$(sql -d model -c "SELECT string_agg(format('%s tables of %s MB', n, mb), ', ') FROM (VALUES $sizes) AS s(mb, n)"), $(
		sql -c "SELECT pg_size_pretty(pg_database_size('model'))") in all"
	sql -c 'CHECKPOINT'

	refill
	say "on the idle server"
	measure idle

	refill
	id=$(sql -d bench -c "SELECT start_backup('bench', jobs => 2, max_rate => '${rate}MB')")
	say "beside backup_bgw, $rate MB/s, 2 jobs"
	measure backup
	[ "$(sql -d bench -c "SELECT wait_backup($id)")" = completed ] || {
		sql -d bench -c "SELECT error FROM backup_history WHERE backup_id = $id" >&2
		die "the backup did not complete"
	}
	sql -d bench -c "SELECT format('that took %s s, preserved %s files, gave way %s times',
		extract(epoch FROM finished_at - started_at)::int, files_preserved, lock_yields) FROM backup_history WHERE backup_id = $id"

	# Its compression makes pg_dump about as slow.
	refill
	say "beside pg_dump -Fd (DDL gives up after $give_up ms)"
	local dump_started=$SECONDS
	as_user "$bin/pg_dump" -Fd -f "$work/dump" bench &
	until [ "$(sql -d bench -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_dump' AND query LIKE 'COPY%'")" != 0 ]; do
		sleep 0.1
	done
	measure pg_dump
	wait $!
	say "that took $((SECONDS - dump_started)) s" ""
	report_ddl
}

refill() {
	PGOPTIONS='-c client_min_messages=warning' sql -c 'DROP DATABASE IF EXISTS bench' -c 'CREATE DATABASE bench TEMPLATE model STRATEGY file_copy'
}

# measure SITUATION: DDL and queries until it is over. Each line of $work/times
# is: situation, what, size, state of the table, milliseconds.
measure() {
	local ddl query client queries=()

	ddl="SELECT * FROM bench.next('$1', :number) \\gset
\\if :over
\\quit
\\endif
SELECT :'kind' = 'TRUNCATE' AS truncate, :'kind' = 'DROP+CREATE' AS drop \\gset
\\echo :kind :mb :state
\\timing on
\\if :truncate
TRUNCATE :name;
\\elif :drop
DROP TABLE :name \\; CREATE TABLE :name (LIKE bench.mb INCLUDING ALL);
\\else
ALTER TABLE :name ALTER v TYPE int USING v + 1;
\\endif
\\timing off"
	query="SELECT * FROM bench.now \\gset
\\if :over
\\quit
\\endif
\\echo query - -
\\timing on
SELECT 1 FROM :name LIMIT 1 \\g (tuples_only=on) /dev/null
\\timing off
SELECT pg_sleep(0.005) \\g /dev/null"

	for client in 1 2; do
		repeat "$query" | timed "$1" query-$client &
		queries+=($!)
	done
	repeat "$ddl" | PGOPTIONS="-c lock_timeout=${give_up}" timed "$1" ddl
	wait "${queries[@]}"
	cat "$work/$1".*.times >>"$work/times"
	if grep -h ERROR "$work/$1".*.err | grep -v 'lock timeout' >&2; then
		die "a statement failed"
	fi
}

repeat() { yes "$1" 2>/dev/null || true; }

timed() { # SITUATION CLIENT: runs psql, and joins what it says with its times
	"$bin/psql" -XqAt -d bench -v number=0 2>"$work/$1.$2.err" |
		awk -v situation="$1" '/^Time:/ { print situation, what, $2; next } NF == 3 { what = $0 }' >"$work/$1.$2.times"
}

# Rows of the table are what DDL on which size, and what was being read.
report_ddl() {
	awk '
		{ print $1, $2, $4 == "read" ? "now" : $3, $5 }
		# to compare with: on the idle server nothing is being read, but big
		# files take long to unlink
		$1 == "idle" && $2 != "query" && $3 <= 8 { print $1, $2, "now", $5 }' "$work/times" |
		sort -k1,3 -k4,4n |
		awk '
		{ key = $1 " " $2 " " $3; value[key, ++n[key]] = $4; rows[$2 " " $3] }
		function at(key, fraction,   i) {
			i = fraction * n[key]
			return value[key, i > int(i) ? int(i) + 1 : i]
		}
		function cell(key) {
			return n[key] ? sprintf("%5d %8.1f %8.1f %8.1f", n[key], at(key, 0.5), at(key, 0.99), at(key, 1)) : sprintf("%5d %8s %8s %8s", 0, "-", "-", "-")
		}
		function ratio(key, idle) { return n[key] && n[idle] ? sprintf("%7.1f", at(key, 0.99) / at(idle, 0.99)) : sprintf("%7s", "-") }
		function row(label, what,   extra) {
			if (!(what in rows)) return
			sub(/_/, " ", label)
			printf "%-26s %s   %s   %s  %s %s\n", label, cell("idle " what), cell("backup " what), cell("pg_dump " what),
				ratio("backup " what, "idle " what), ratio("pg_dump " what, "idle " what)
			if (!n["backup " what]) return
			extra = at("backup " what, 0.99) - at("idle " what, 0.99)
			if (extra > worst) { worst = extra; which = label }
		}
		END {
			worst = -1e9
			printf "%-26s %-32s   %-32s   %-32s  %s\n", "milliseconds", "idle server", "beside backup_bgw", "beside pg_dump -Fd", "p99 : idle p99"
			printf "%-26s", ""
			for (i = 0; i < 3; i++) printf " %5s %8s %8s %8s  ", "n", "p50", "p99", "max"
			printf "%8s %7s\n", "backup", "pg_dump"
			nkinds = split("TRUNCATE DROP+CREATE ALTER_TYPE", kinds, " ")
			nsizes = split("1 8 256", sizes, " ")
			for (k = 1; k <= nkinds; k++) {
				for (s = 1; s <= nsizes; s++) row(kinds[k] ", " sizes[s] " MB", kinds[k] " " sizes[s])
				row(kinds[k] ", being read", kinds[k] " now")
			}
			row("query of that table", "query -")
			printf "\nAt worst p99 beside the backup is %.1f ms above the idle server'\''s (%s); the goal is at most 20: %s\n",
				worst, which, worst <= 20 ? "met" : "MISSED"
		}'
}
