# shellcheck shell=bash disable=SC2034 # variables of dev/bench
# Sets of data for dev/bench: data_NAME MB prints the SQL that makes one of about MB
# as COPY text. The same SQL makes the same data.

data_sets=(accounts mixed text numeric times jsonb bytea fact giant small)

# the tables of pgbench, filled as pgbench does
data_accounts() {
	cat <<-SQL
		CREATE TABLE pgbench_accounts (aid int, bid int, abalance int, filler char(84)) WITH (fillfactor = 100);
		INSERT INTO pgbench_accounts SELECT g, (g - 1) / 100000 + 1, 0, '' FROM generate_series(1, $(($1 * 10500))) g;
	SQL
}

data_mixed() {
	cat <<-SQL
		CREATE TABLE mixed AS SELECT g::bigint * 1000003 AS id, g % 1000 AS n, timestamptz '2020-01-01' + g * interval '1.000001 s' AS at,
			(hashint8(g) / 1000.0)::numeric(12, 3) AS amount, 'text ' || substr(md5(g::text), 1, g % 32) AS t, sqrt(g) AS f, g % 2 = 0 AS b,
			md5(g::text)::uuid AS u FROM generate_series(1, $(($1 * 7200))) g;
	SQL
}

data_text() {
	cat <<-SQL
		CREATE TABLE wide AS SELECT g AS id, a, b, c, E'with\\ttab and \\\\backslash\\n' || d AS d, repeat(e, g % 10) AS e FROM generate_series(1, $(($1 * 1150))) g,
			LATERAL (SELECT md5(concat(g, 'a')) a, repeat(md5((g % 100)::text), 8) b, repeat('word ' || g % 7 || ' ', 30) c, md5(concat(g, 'd')) d, md5((g % 1000)::text) e) x;
	SQL
}

data_numeric() {
	cat <<-SQL
		CREATE TABLE numbers AS SELECT g AS id, hashint8(g)::numeric / 100 AS a, (hashint8(g + 1)::numeric * hashint8(g + 2)) AS b, (g % 10000)::numeric(10, 2) AS c,
			hashint8(g + 3)::numeric / 7 AS d, (g * 1.5)::numeric AS e, 0.0001 * (g % 1000) AS f FROM generate_series(1, $(($1 * 10500))) g;
	SQL
}

data_times() {
	cat <<-SQL
		CREATE TABLE times AS SELECT md5(g::text)::uuid AS id, md5((g / 10)::text)::uuid AS parent, timestamptz '2020-01-01' + g * interval '0.123457 s' AS created,
			timestamp '2021-06-01' + g * interval '1 min' AS changed, date '2000-01-01' + g % 9000 AS day, g * interval '1 s' AS lasted FROM generate_series(1, $(($1 * 6600))) g;
	SQL
}

data_jsonb() {
	cat <<-SQL
		CREATE TABLE documents AS SELECT g AS id, jsonb_build_object('id', g, 'name', md5(g::text), 'tags', ARRAY['a', 'b', md5((g % 10)::text)], 'price', (hashint8(g) / 100.0)::numeric(12, 2),
			'lines', (SELECT jsonb_agg(jsonb_build_object('n', i, 'sku', md5(concat(g, i)), 'ok', i % 2 = 0, 'qty', (g + i) % 17)) FROM generate_series(1, 1 + g % 100) i)) AS doc
			FROM generate_series(1, $(($1 * 260))) g;
	SQL
}

data_bytea() {
	cat <<-SQL
		CREATE TABLE blobs AS SELECT g AS id, decode((SELECT string_agg(md5(concat(g, i)), '') FROM generate_series(1, 1 + g % 256) i), 'hex') AS b FROM generate_series(1, $(($1 * 255))) g;
	SQL
}

# 100 columns, every other one NULL, in turn
data_fact() {
	local i columns=
	local types=('int' 'numeric(12, 2)' 'text' 'bigint' 'float8')
	for ((i = 0; i < 100; i++)); do
		columns+=", CASE WHEN (g + $i) % 2 = 0 THEN (g::bigint * $((i + 7)) % 1000003)::${types[i % 5]} END AS c$i"
	done
	echo "CREATE TABLE fact AS SELECT g AS id$columns FROM generate_series(1, $(($1 * 2000))) g;"
}

# four fifths in one table, the rest in 200
data_giant() {
	data_mixed $((($1 * 4 + 4) / 5)) | sed 's/TABLE mixed/TABLE giant/'
	data_tables 200 $(($1 * 7))
}

# many tables of 5 kB; with so many, it is not the MB that count
data_small() { data_tables $(($1 * 40)) 40; }

data_tables() { # TABLES ROWS
	cat <<-SQL
		SELECT format('CREATE TABLE t_%s (id int PRIMARY KEY, n numeric, at timestamptz, t text)', i) FROM generate_series(1, $1) i \\gexec
		SELECT format('INSERT INTO t_%s SELECT g, g / 7.0, timestamptz ''2020-01-01'' + g * interval ''1 s'', md5(concat(g, %s)) FROM generate_series(1, $2) g', i, i) FROM generate_series(1, $1) i \\gexec
	SQL
}

data_objects() { # OBJECTS
	echo "SELECT count(lo_from_bytea(i, decode((SELECT string_agg(md5(concat(i, ' ', j)), '') FROM generate_series(1, 640) j), 'hex'))) FROM generate_series(100001, 100000 + $1) i;"
}
