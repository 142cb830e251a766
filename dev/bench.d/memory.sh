# shellcheck shell=bash disable=SC2154 # variables of dev/bench
# dev/bench memory; sourced by dev/bench, which says what it is for.
#
# Each table has a row, a TOAST table and a primary key.
#
bench_memory() {
	local tables=${number:-10000} id role pid kilobytes count next=1
	declare -A peak=([leader]=0 [pg_dump]=0)

	start_server memory "shared_preload_libraries = 'backup_bgw'
		backup_bgw.directory = '$work/backups'
		fsync = off
		max_locks_per_transaction = 256"
	as_user mkdir "$work/backups"
	export PGHOST=$work/memory

	sql -c 'CREATE EXTENSION backup_bgw'
	# in transactions of their own, as the lock table is not for all of them
	seq "$tables" | sed 's/.*/CREATE TABLE t&(id int PRIMARY KEY, a text, b text); INSERT INTO t& VALUES (&);/' | sql -f - >/dev/null
	say "$tables tables"

	id=$(sql -c "SELECT start_backup('memory', jobs => 1)")
	printf '%12s %12s\n' 'tables read' 'worker, kB'
	while count=$(sql -c 'SELECT tables_done FROM backup_progress') && [ -n "$count" ]; do
		while IFS='|' read -r role pid; do
			kilobytes=$(sed -n 's/^RssAnon:\s*\([0-9]*\) kB/\1/p' "/proc/$pid/status" 2>/dev/null) || continue
			[ -n "$kilobytes" ] || continue
			if [ "$role" = worker ]; then
				[ "$count" -ge "$next" ] || continue
				printf '%12d %12d\n' "$count" "$kilobytes"
				next=$((count + tables / 16))
			elif [ "$kilobytes" -gt "${peak[$role]}" ]; then
				peak[$role]=$kilobytes
			fi
		done < <(sql -c 'SELECT role, pid FROM backup_workers')
		sleep 0.05
	done
	[ "$(sql -c "SELECT wait_backup($id)")" = completed ] || die "the backup did not complete"
	say "at most: leader ${peak[leader]} kB, session of pg_dump ${peak[pg_dump]} kB"
}
