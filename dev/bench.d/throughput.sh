# shellcheck shell=bash disable=SC2034,SC2154 # variables of dev/bench
# dev/bench throughput; sourced by dev/bench, which says what it is for.
#
# The bound that CPU is compared with: reading the heap once, as count(*) does, and
# compressing the text of COPY with lz4 -1, which is the default of backup_bgw, too.

bench_throughput() {
	local name

	start_server throughput "shared_preload_libraries = 'backup_bgw'
		max_parallel_workers_per_gather = 0
		max_locks_per_transaction = $((option[size] * 10 + 1000))"
	server=throughput
	as_user mkdir "$work/backups"
	export PGHOST=$work/throughput
	find_contestants
	[ ${#arguments[@]} -gt 0 ] || arguments=("${data_sets[@]}")
	for name in "${arguments[@]}"; do
		sql -c "CREATE DATABASE $name"
		{
			echo 'CREATE EXTENSION backup_bgw;'
			"data_$name" "${option[size]}"
			# VACUUM sets the hint bits that the first one to read would set
			echo 'VACUUM ANALYZE;'
		} | sql -d "$name" >/dev/null
		printf '%s memory %s\n' "$name" "$(peak_memory "$name")" >>"$work/results"
		compete "$name"
		measure_bound "$name"
		sql -c "DROP DATABASE $name"
		rm -rf "$work/cleared"
	done
	report
}

measure_bound() {
	local seconds
	as_user "$bin/pg_dump" -Fd -j "${option[jobs]}" --compress=0 -f "$work/backups/text" "$1"
	measure read_heap "$1" || die "could not read the heap"
	seconds=$cpu
	measure compress_text || die "could not compress"
	printf '%s bound %s\n' "$1" "$(awk -v a="$seconds" -v b="$cpu" 'BEGIN { print a + b }')" >>"$work/results"
	clear
}

read_heap() {
	sql -d "$1" >/dev/null <<-'SQL'
		SELECT format('SELECT count(*) FROM %s', oid::regclass) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace \gexec
	SQL
}

# The small ones together, or starting the program would count.
compress_text() {
	find "$work/backups/text" -name '*.dat' ! -name toc.dat -print0 | xargs -0 cat | lz4 -1 -q -c >/dev/null
}
