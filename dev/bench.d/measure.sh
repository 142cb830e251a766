# shellcheck shell=bash disable=SC2154 # variables of dev/bench
# What benchmarks of whole backups share: who takes part, and how long it takes.
#
# CPU is that of the server, as the kernel counts it for the postmaster, its
# children, and those that have ended; and of the client.

# find_contestants: sets contestants, names of those who take part, and what they
# run in dump and compress.
declare -A dump compress
find_contestants() {
	local newer=${PG_DUMP:-$(command -v pg_dump || true)} newer_version

	contestants=(backup_bgw "pg_dump-$version")
	dump[pg_dump-$version]=$bin/pg_dump
	newer_version=$(major_version "$newer" 2>/dev/null) || newer_version=
	if [ "${newer_version:-0}" -gt "$version" ]; then
		contestants+=("pg_dump-$newer_version")
		dump[pg_dump-$newer_version]=$newer
	fi
	for newer in "${!dump[@]}"; do
		compress[$newer]=lz4
		[ "${newer#pg_dump-}" -ge 16 ] || compress[$newer]=0
	done
	say "backup_bgw, ${option[jobs]} jobs, lz4; $(for newer in "${contestants[@]:1}"; do
		printf '%s -Fd -j %s --compress=%s; ' "$newer" "${option[jobs]}" "${compress[$newer]}"
	done)$(nproc) CPUs; medians of ${option[rounds]} rounds"
}

# Process ID, state, parent and CPU ticks, also of children that have ended, of the
# postmaster and its children.
server_processes() {
	{ cat /proc/[0-9]*/stat 2>/dev/null || true; } |
		awk -v postmaster="$(head -n 1 "$work/data-$server/postmaster.pid")" '{
			pid = $1
			sub(/.*\) /, "")
			if (pid == postmaster || $2 == postmaster) print pid, $1, $12 + $13 + $14 + $15
		}'
}

# Has everybody gone who was there for a client or a backup?
settled() {
	local pid state title
	while read -r pid state _; do
		[ "$state" != Z ] || return 1
		title=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
		case $title in
		*'[local]'* | *backup_bgw\ [lw]*) return 1 ;;
		esac
	done < <(server_processes)
}

# Seconds of CPU that the server has used since it was started.
server_cpu() {
	until settled; do sleep 0.02; done
	server_processes | awk -v hertz="$(getconf CLK_TCK)" '{ ticks += $3 } END { printf "%.2f\n", ticks / hertz }'
}

# backup CONTESTANT DATABASE: makes one in $work/backups/out.
backup() {
	local out=$work/backups/out
	if [ "$1" = backup_bgw ]; then
		[ "$(printf '%s\n' "SELECT start_backup('$out', jobs => ${option[jobs]}) AS id \\gset" 'SELECT wait_backup(:id);' | sql -d "$2")" = completed ]
	else
		as_user "${dump[$1]}" -Fd -j "${option[jobs]}" --compress="${compress[$1]}" -f "$out" "$2"
	fi
}

# clear: after it the next one finds the same server as those before. Files are not
# removed yet: ext4 without a journal makes new ones much slower for a minute then.
cleared=0
clear() {
	as_user mkdir -p "$work/cleared/$((++cleared))"
	find "$work/backups" -mindepth 1 -maxdepth 1 -exec mv -t "$work/cleared/$cleared" {} +
	sql -c CHECKPOINT
	sync -f "$work"
}

# measure NAME COMMAND ...: sets wall and cpu; nonzero if the command fails.
measure() {
	local before status=0 in_user in_kernel
	before=$(server_cpu)
	TIMEFORMAT='%R %U %S'
	{ time "$@" >"$work/run.log" 2>&1 || status=$?; } 2>"$work/time"
	read -r wall in_user in_kernel <"$work/time"
	cpu=$(awk -v a="$before" -v b="$(server_cpu)" -v u="$in_user" -v s="$in_kernel" 'BEGIN { printf "%.2f\n", b - a + u + s }')
	return $status
}

# compete DATABASE: all in turn, in another order each time; a line of
# $work/results is: database, contestant, seconds, seconds of CPU, bytes.
compete() {
	local round i n=${#contestants[@]} name
	for ((round = 0; round < option[rounds]; round++)); do
		for ((i = 0; i < n; i++)); do
			name=${contestants[(i + round) % n]}
			[ -z "${failed[$1 $name]:-}" ] || continue
			clear
			if measure backup "$name" "$1"; then
				echo "$1 $name $wall $cpu $(archive_size)" >>"$work/results"
			else
				[ "$name" != backup_bgw ] || { cat "$work/run.log" >&2; die "the backup failed"; }
				failed[$1 $name]=$(head -n 1 "$work/run.log")
			fi
		done
	done
	clear
}
declare -A failed

archive_size() {
	find "$work/backups/out" -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%d\n", n }'
}

# peak_memory DATABASE: a backup that is not measured, but the private memory of its
# workers is, as often as it can be. Prints the most that one had, in MB.
peak_memory() {
	local peak=0 pid kilobytes backup
	clear
	backup backup_bgw "$1" >/dev/null 2>&1 &
	backup=$!
	while kill -0 $backup 2>/dev/null; do
		while read -r pid _; do
			[[ $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") == *"backup_bgw worker"* ]] || continue
			kilobytes=$(sed -n 's/^RssAnon:\s*\([0-9]*\) kB/\1/p' "/proc/$pid/status" 2>/dev/null) || continue
			[ "${kilobytes:-0}" -le "$peak" ] || peak=$kilobytes
		done < <(server_processes)
		sleep 0.02
	done
	wait $backup || die "the backup failed"
	awk -v kB="$peak" 'BEGIN { printf "%.1f\n", kB / 1024 }'
}

# report: medians and ratios of $work/results; those of pg_dump are of its best,
# sizes are against what it compressed with lz4.
report() {
	awk -v names="${contestants[*]}" -v compressed="$(for name in "${!compress[@]}"; do [ "${compress[$name]}" != lz4 ] || printf '%s ' "$name"; done)" '
		function median(list,   n, i, j, v, swap) {
			n = split(list, v, " ")
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { swap = v[j]; v[j] = v[j - 1]; v[j - 1] = swap }
			return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
		}
		function cell(format, value) { return value == "" ? sprintf("%9s", "-") : sprintf(format, value) }
		function mean(what) { return cell("%9.2f", number[what] ? exp(sum[what] / number[what]) : "") }
		function add(what, value) {
			if (value == "") return
			sum[what] += log(value)
			number[what]++
			if (!(what in least) || value < least[what]) least[what] = value
		}
		BEGIN { n = split(names, name, " "); split(compressed, c, " "); for (i in c) is_compressed[c[i]] }
		$2 == "memory" { memory[$1] = $3; next }
		$2 == "bound" { bound[$1] = $3; next }
		{
			if (!($1 in seen)) { seen[$1]; order[++sets] = $1 }
			wall[$1, $2] = wall[$1, $2] " " $3
			cpu[$1, $2] = cpu[$1, $2] " " $4
			size[$1, $2] = $5
		}
		END {
			printf "%-10s", "seconds"
			for (i = 1; i <= n; i++) printf "  %18s", name[i]
			printf "  %19s %9s %9s %9s\n%-10s", "pg_dump : backup_bgw", "archive", "memory", "CPU", ""
			for (i = 1; i <= n; i++) printf "  %9s%9s", "wall", "CPU"
			printf "  %10s%9s %10s %9s %9s\n", "wall", "CPU", "size", "MB", ": bound"
			for (s = 1; s <= sets; s++) {
				d = order[s]
				best_wall = best_cpu = best_size = ""
				line = sprintf("%-10s", d)
				for (i = 1; i <= n; i++) {
					w = (d, name[i]) in wall ? median(wall[d, name[i]]) : ""
					u = w == "" ? "" : median(cpu[d, name[i]])
					line = line "  " cell("%9.2f", w) cell("%9.2f", u)
					if (i == 1) { our_wall = w; our_cpu = u; continue }
					if (w == "") continue
					if (best_wall == "" || w < best_wall) best_wall = w
					if (best_cpu == "" || u < best_cpu) best_cpu = u
					if (name[i] in is_compressed && (best_size == "" || size[d, name[i]] < best_size)) best_size = size[d, name[i]]
				}
				ratio["wall"] = best_wall == "" ? "" : best_wall / our_wall
				ratio["cpu"] = best_cpu == "" || !our_cpu ? "" : best_cpu / our_cpu
				ratio["size"] = best_size == "" ? "" : size[d, name[1]] / best_size
				ratio["bound"] = bound[d] ? our_cpu / bound[d] : ""
				for (r in ratio) add(r, ratio[r])
				printf "%s  %s%s  %s %s %s\n", line, cell("%10.2f", ratio["wall"]), cell("%9.2f", ratio["cpu"]), cell("%9.3f", ratio["size"]), cell("%9.1f", memory[d]), cell("%9.2f", ratio["bound"])
			}
			printf "%-" (10 + 20 * n) "s  %10s%s  %s %9s %s\n", "geometric mean", mean("wall"), mean("cpu"), mean("size"), "", mean("bound")
			printf "%-" (10 + 20 * n) "s  %s%s\n", "least", cell("%10.2f", least["wall"]), cell("%9.2f", least["cpu"])
		}' "$work/results"
	for name in "${!failed[@]}"; do
		say "$name failed: ${failed[$name]}"
	done
}
