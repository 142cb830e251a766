# shellcheck shell=bash disable=SC2034,SC2154 # variables of dev/bench
# dev/bench oltp; sourced by dev/bench, which says what it is for.
#
# What is backed up, again and again while pgbench runs, are the tables of pgbench,
# of a fourth of the size, and another one.

bench_oltp() {
	local seconds=10 round i situation situations

	option[jobs]=1
	start_server oltp "shared_preload_libraries = 'backup_bgw'"
	server=oltp
	as_user mkdir "$work/backups"
	export PGHOST=$work/oltp
	find_contestants
	sql -c 'CREATE DATABASE oltp'
	"$bin/pgbench" -i -q -s $((option[size] / 40 + 1)) oltp >"$work/pgbench.log" 2>&1 || die "pgbench -i failed"
	{
		echo 'CREATE EXTENSION backup_bgw;'
		data_mixed "${option[size]}"
		echo 'VACUUM ANALYZE;'
	} | sql -d oltp >/dev/null
	situations=(alone "${contestants[@]}")
	beside alone 3 >/dev/null
	for ((round = 0; round < option[rounds]; round++)); do
		for ((i = 0; i < ${#situations[@]}; i++)); do
			situation=${situations[(i + round) % ${#situations[@]}]}
			clear
			beside "$situation" $seconds >>"$work/results"
		done
	done
	report_oltp
}

# beside SITUATION SECONDS: prints situation, transactions per second, median and
# 99th percentile of latency in ms, backups made meanwhile.
beside() {
	local loop='' tps count=0
	rm -f "$work"/latency.* "$work/made"
	if [ "$1" != alone ]; then
		touch "$work/go"
		while [ -e "$work/go" ]; do
			rm -rf "$work/backups/out"
			backup "$1" oltp >"$work/run.log" 2>&1 || exit 1
			echo >>"$work/made"
		done &
		loop=$!
	fi
	tps=$(cd "$work" && "$bin/pgbench" -n -c 2 -j 2 -T "$2" -l --log-prefix=latency oltp 2>&1 | sed -n 's/^tps = \([0-9.]*\).*/\1/p')
	if [ -n "$loop" ]; then
		rm "$work/go"
		wait $loop || die "$1 failed: $(head -n 1 "$work/run.log")"
		count=$(wc -l <"$work/made")
	fi
	cat "$work"/latency.* | awk '{ print $3 }' | sort -n | awk -v situation="$1" -v tps="$tps" -v count="$count" '
		{ t[NR] = $1 }
		END { print situation, tps, t[int((NR + 1) / 2)] / 1000, t[int(NR * 0.99) + 1] / 1000, count }'
}

report_oltp() {
	awk -v names="alone ${contestants[*]}" '
		function median(list,   n, i, j, v, swap) {
			n = split(list, v, " ")
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { swap = v[j]; v[j] = v[j - 1]; v[j - 1] = swap }
			return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
		}
		{ tps[$1] = tps[$1] " " $2; half[$1] = half[$1] " " $3; p99[$1] = p99[$1] " " $4; count[$1] += $5 }
		END {
			n = split(names, name, " ")
			printf "%-14s %10s %12s %10s %10s %8s\n", "pgbench beside", "tps", ": alone", "p50, ms", "p99, ms", "backups"
			for (i = 1; i <= n; i++)
				printf "%-14s %10.0f %12.3f %10.2f %10.2f %8d\n", name[i], median(tps[name[i]]), median(tps[name[i]]) / median(tps["alone"]),
					median(half[name[i]]), median(p99[name[i]]), count[name[i]]
		}' "$work/results"
}
