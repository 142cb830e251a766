# shellcheck shell=bash disable=SC2154 # variables of dev/bench
# dev/bench idle; sourced by dev/bench, which says what it is for.

bench_idle() {
	local rounds=${number:-30} seconds=1 round side kind order

	# without fsync, as waiting for the disk would hide what the library costs
	start_server without "fsync = off"
	start_server with "fsync = off
		shared_preload_libraries = 'backup_bgw'"
	cat >"$work/ddl.sql" <<-'SQL'
		CREATE TABLE x:client_id (id int PRIMARY KEY, t text);
		INSERT INTO x:client_id VALUES (1, 'one');
		TRUNCATE x:client_id;
		DROP TABLE x:client_id;
	SQL
	for side in with without; do
		PGHOST=$work/$side "$bin/pgbench" -i -q -s 10 >"$work/pgbench.log" 2>&1 || die "pgbench -i failed"
		for kind in ddl tpcb; do
			throughput "$side" $kind >/dev/null
		done
	done

	printf '%-10s %-12s %12s %12s %8s\n' round what without with ratio
	for ((round = 1; round <= rounds; round++)); do
		order="with without"
		[ $((round % 2)) = 0 ] || order="without with"
		for kind in ddl tpcb; do
			for side in $order; do
				printf -v "$side" %s "$(throughput "$side" $kind)"
			done
			# shellcheck disable=SC2154  # set just now
			printf '%s %s %s %s\n' $round $kind "$without" "$with" | tee -a "$work/idle" |
				awk '{ printf "%-10s %-12s %12.0f %12.0f %8.3f\n", $1, $2, $3, $4, $4 / $3 }'
		done
	done
	say
	for kind in ddl tpcb; do
		awk -v kind=$kind '$2 == kind { print $4 / $3 }' "$work/idle" | sort -n |
			awk -v kind=$kind '{ r[NR] = $1 } END {
				printf "%s: transactions per second with the library : without, median of rounds: %.3f (%.3f to %.3f)\n",
					kind == "ddl" ? "DDL" : "pgbench (TPC-B)", (r[int((NR + 1) / 2)] + r[int(NR / 2) + 1]) / 2, r[1], r[NR] }'
	done
}

throughput() { # SERVER ddl|tpcb: transactions per second
	local script=(-b tpcb-like)
	[ "$2" != ddl ] || script=(-f "$work/ddl.sql")
	PGHOST=$work/$1 "$bin/pgbench" -n -c 2 -j 2 -T "$seconds" "${script[@]}" 2>&1 | sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}
