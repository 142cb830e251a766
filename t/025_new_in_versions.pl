
# What 16 to 19 have brought that a database can contain, altered and dropped
# during a backup; optimizer statistics, if pg_dump is told to dump them; rows
# that several transactions hold.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;
use DdlKinds;

my $node = new_node('main', conf => "autovacuum = off\n");
my $version = major($node);

# Version, name, objects, and the DDL
my @kinds = (
	[
		16,
		'own expression of a child',
		q{CREATE TABLE p (a int, g int GENERATED ALWAYS AS (a * 2) STORED); CREATE TABLE c (g int GENERATED ALWAYS AS (a * 3) STORED) INHERITS (p);
		INSERT INTO p VALUES (1), (2); INSERT INTO c (a) VALUES (3), (4);},
		'ALTER TABLE p ALTER g DROP EXPRESSION; UPDATE p SET g = 0; INSERT INTO c VALUES (5, 5)'
	],
	[
		16,
		'SQL/JSON in views',
		q{CREATE VIEW j AS SELECT JSON_OBJECT('id' VALUE id, 'v' VALUE v ABSENT ON NULL) AS o, v IS JSON AS i, JSON_ARRAY(v) AS a FROM t;},
		'DROP VIEW j; ALTER TABLE t RENAME v TO vv; DROP TABLE t'
	],
	[
		16,
		'STORAGE',
		q{CREATE TABLE s (a text STORAGE external, b text STORAGE main); INSERT INTO s SELECT repeat('a', 5000), repeat('b', 9000) FROM generate_series(1, 5);},
		'ALTER TABLE s ALTER a SET STORAGE DEFAULT, ALTER b SET STORAGE plain; UPDATE s SET a = b, b = NULL; TRUNCATE s'
	],
	[
		17,
		'SET EXPRESSION',
		q{CREATE TABLE g (id int, s text GENERATED ALWAYS AS (repeat('s', id)) STORED, w text); INSERT INTO g (id, w) SELECT i, 'w' || i FROM generate_series(1, 40) i;},
		q{ALTER TABLE g ALTER s SET EXPRESSION AS (repeat('else', id)); ALTER TABLE g ALTER s DROP EXPRESSION; UPDATE g SET s = 'gone'}
	],
	[
		17,
		'access method of a partitioned table',
		q{CREATE TABLE p (id int, v text) PARTITION BY RANGE (id) USING ddl_heap; CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (20);
		CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (20) TO (40) USING heap; INSERT INTO p SELECT id, v FROM t;},
		'ALTER TABLE p SET ACCESS METHOD DEFAULT; ALTER TABLE p1 SET ACCESS METHOD heap; ALTER TABLE p2 SET ACCESS METHOD ddl_heap; CREATE TABLE p3 PARTITION OF p DEFAULT'
	],
	[
		17,
		'identity of a partitioned table',
		q{CREATE TABLE p (id int GENERATED ALWAYS AS IDENTITY, v text) PARTITION BY LIST (v); CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('a'); CREATE TABLE p2 PARTITION OF p DEFAULT;
		INSERT INTO p (v) SELECT chr(97 + i % 3) FROM generate_series(1, 30) i;},
		'ALTER TABLE p ALTER id DROP IDENTITY; ALTER TABLE p DETACH PARTITION p1; DROP TABLE p'
	],
	[
		17,
		'exclusion constraint of a partitioned table',
		q{CREATE TABLE p (r int4range, during tsrange, CONSTRAINT e EXCLUDE USING gist (r WITH =, during WITH &&)) PARTITION BY LIST (r); CREATE TABLE p1 PARTITION OF p DEFAULT; INSERT INTO p VALUES ('[1,2)', '[2000-01-01,2000-01-02)');},
		'ALTER TABLE p DROP CONSTRAINT e; TRUNCATE p'
	],
	[
		17,
		'not-null constraint of a domain',
		q{CREATE DOMAIN d AS text CONSTRAINT must NOT NULL; COMMENT ON CONSTRAINT must ON DOMAIN d IS 'must'; CREATE TABLE of_d (d d); INSERT INTO of_d VALUES ('x');},
		'ALTER DOMAIN d DROP NOT NULL; ALTER TABLE of_d ALTER d TYPE int USING 1; DROP DOMAIN d'
	],
	[
		17,
		'MAINTAIN, login',
		q{GRANT MAINTAIN ON t TO ddl_other; CREATE FUNCTION et() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER ddl_login ON login EXECUTE FUNCTION et();},
		'DROP EVENT TRIGGER ddl_login; REVOKE ALL ON t FROM ddl_other; DROP FUNCTION et'
	],
	[
		18,
		'virtual generated columns',
		q{CREATE TABLE g (v text GENERATED ALWAYS AS (upper(w)) VIRTUAL, id int, n int GENERATED ALWAYS AS (id + 1) VIRTUAL NOT NULL CHECK (n > 1), w text, s int GENERATED ALWAYS AS (id * 2) STORED);
		INSERT INTO g (id, w) SELECT i, repeat('w', i * 100) FROM generate_series(1, 40) i;
		CREATE TABLE only_v (v int GENERATED ALWAYS AS (7)); INSERT INTO only_v SELECT FROM generate_series(1, 3);},
		q{ALTER TABLE g DROP v; ALTER TABLE g DROP CONSTRAINT g_n_check; ALTER TABLE g ALTER n SET EXPRESSION AS (id + 2); ALTER TABLE g ADD x int GENERATED ALWAYS AS (id), ADD y text DEFAULT random(); ALTER TABLE g ALTER w TYPE bytea USING '\x00'; ALTER TABLE only_v DROP v, ADD a int DEFAULT 5}
	],
	[
		18,
		'virtual column becomes another one',
		q{CREATE TABLE g (a int, v int GENERATED ALWAYS AS (a * 2) VIRTUAL, b text); INSERT INTO g (a, b) SELECT i, 'b' || i FROM generate_series(1, 40) i; CREATE VIEW gv AS SELECT a, v FROM g;},
		q{DROP VIEW gv; ALTER TABLE g ALTER v SET EXPRESSION AS (a * 3); ALTER TABLE g DROP v; ALTER TABLE g ADD v text GENERATED ALWAYS AS (b || b) STORED; VACUUM FULL g},
		alone => 1
	],
	[
		18,
		'not-null constraints',
		q{CREATE TABLE n (a int CONSTRAINT a_must NOT NULL, b int CONSTRAINT b_must NOT NULL NO INHERIT, c int); CREATE TABLE nc () INHERITS (n); INSERT INTO n VALUES (1, 2, NULL); INSERT INTO nc VALUES (1, NULL, 3);
		ALTER TABLE n ADD CONSTRAINT c_sometime NOT NULL c NOT VALID; COMMENT ON CONSTRAINT a_must ON n IS 'a comment';},
		'UPDATE n SET c = 1, b = 1; ALTER TABLE n VALIDATE CONSTRAINT c_sometime; ALTER TABLE n RENAME CONSTRAINT a_must TO must; ALTER TABLE n ALTER CONSTRAINT b_must INHERIT; ALTER TABLE n ALTER a DROP NOT NULL'
	],
	[
		18,
		'foreign key, enforced or not',
		q{CREATE TABLE f (id int CONSTRAINT f_id REFERENCES t NOT ENFORCED, i int CONSTRAINT f_i REFERENCES t, c int CONSTRAINT f_c CHECK (c > 0) NOT ENFORCED); INSERT INTO f VALUES (1, 1, -1);},
		'ALTER TABLE f ALTER CONSTRAINT f_id ENFORCED, ALTER CONSTRAINT f_i NOT ENFORCED; ALTER TABLE f DROP CONSTRAINT f_c; DROP TABLE t CASCADE'
	],
	[
		18,
		'temporal constraints',
		q{CREATE TABLE p (id int4range, valid daterange, PRIMARY KEY (id, valid WITHOUT OVERLAPS)); CREATE TABLE c (id int4range, valid daterange, FOREIGN KEY (id, PERIOD valid) REFERENCES p (id, PERIOD valid));
		INSERT INTO p VALUES ('[1,2)', '[2000-01-01,2001-01-01)'); INSERT INTO c VALUES ('[1,2)', '[2000-02-01,2000-03-01)');},
		'ALTER TABLE p DROP CONSTRAINT p_pkey CASCADE; TRUNCATE p, c'
	],
	[
		18,
		'generated columns in a publication',
		q{CREATE TABLE g (a int PRIMARY KEY, s int GENERATED ALWAYS AS (a) STORED); INSERT INTO g VALUES (1); CREATE PUBLICATION ddl_generated FOR TABLE g (a, s) WITH (publish_generated_columns = stored);},
		'ALTER PUBLICATION ddl_generated SET (publish_generated_columns = none); ALTER PUBLICATION ddl_generated SET TABLE t; DROP TABLE g'
	],
	[
		18,
		'default privileges of large objects',
		q{ALTER DEFAULT PRIVILEGES FOR ROLE ddl_owner GRANT SELECT ON LARGE OBJECTS TO ddl_other; SELECT lo_from_bytea(900018, 'x');},
		'ALTER DEFAULT PRIVILEGES FOR ROLE ddl_owner REVOKE SELECT ON LARGE OBJECTS FROM ddl_other; GRANT ALL ON LARGE OBJECT 900018 TO PUBLIC; SELECT lo_unlink(900018)'
	],
	[
		19,
		'check, enforced or not',
		q{CREATE TABLE c (a int CONSTRAINT c_a CHECK (a > 0), b int CONSTRAINT c_b CHECK (b > 0) NOT ENFORCED); INSERT INTO c VALUES (1, 1);},
		'ALTER TABLE c ALTER CONSTRAINT c_a NOT ENFORCED; ALTER TABLE c ALTER CONSTRAINT c_b ENFORCED; INSERT INTO c VALUES (-1, 1)'
	],
	[
		19,
		'statistics on virtual columns',
		q{CREATE TABLE g (a int, v int GENERATED ALWAYS AS (a % 7), w int GENERATED ALWAYS AS (a % 5)); INSERT INTO g SELECT i FROM generate_series(1, 100) i; CREATE STATISTICS st ON v, w FROM g; CREATE STATISTICS sv ON v FROM g; ANALYZE g;},
		'DROP STATISTICS st, sv; ALTER TABLE g DROP v'
	],
	[
		19,
		'all sequences, all tables but some',
		q{CREATE TABLE x (a int); INSERT INTO x VALUES (1); CREATE SEQUENCE s; CREATE PUBLICATION ddl_sequences FOR ALL SEQUENCES; CREATE PUBLICATION ddl_but FOR ALL TABLES EXCEPT (TABLE x, t), ALL SEQUENCES WITH (publish = 'insert');},
		'ALTER PUBLICATION ddl_but SET ALL TABLES EXCEPT (TABLE t); DROP PUBLICATION ddl_sequences; DROP TABLE x; DROP SEQUENCE s'
	],
	[
		19,
		'connection function',
		q{CREATE FUNCTION con(oid, oid, internal) RETURNS text LANGUAGE internal AS 'textin'; CREATE FOREIGN DATA WRAPPER ddl_connecting CONNECTION con;},
		'ALTER FOREIGN DATA WRAPPER ddl_connecting NO CONNECTION; DROP FUNCTION con; DROP FOREIGN DATA WRAPPER ddl_connecting'
	],
	[
		19,
		'oid8',
		q{CREATE TABLE o (o oid8 PRIMARY KEY, os oid8[]); INSERT INTO o VALUES ('18446744073709551615', '{1,NULL}'), ('0', NULL);},
		'ALTER TABLE o ALTER o TYPE text; DROP TABLE o'
	],
	[
		19,
		'LZ4 by default',
		q{CREATE TABLE l (id int, w text); INSERT INTO l SELECT i, repeat(md5(i::text), 2000 * i) FROM generate_series(1, 10) i;},
		'SET default_toast_compression = pglz; ALTER TABLE l ALTER w SET COMPRESSION pglz; UPDATE l SET w = w || id; VACUUM FULL l; RESET default_toast_compression; TRUNCATE l',
		alone => 1
	]);

# DDL on all of it, at different moments of a backup
my @there = map { [ @$_[ 1 .. $#$_ ] ] }
  grep { $_->[0] <= $version } @kinds;
if (@there)
{
	my @new = ddl_create_db($node, 'ddl_template', ddl_kinds(@there));
	ddl_backup($node, 'ddl_template', 'before_pg_dump', 'before pg_dump',
		@new);
	ddl_backup($node, 'ddl_template', 'plan', 'before the plan', @new);
	my ($id) = ddl_backup($node, 'ddl_template', 'unread',
		'before the table is read', @new);
	restore_ok($node, history($node, $id, 'destination'),
		'ddl_restored', '-e', '-j', '4');
	same_dump($node, 'ddl_restored', 'ddl_template',
		'what was backed up in the storm is restored');
}

# Slices are restored in any order
sub sorted
{
	my ($text) = @_;
	$text =~ s/^SET .*\n|^SELECT pg_catalog.set_config.*\n//mg;
	return join("\n", sort split /\n/, $text);
}

# From 18 on pg_dump dumps optimizer statistics, from 19 on extended ones too, if
# it is told to.  A wrapper tells it.
if ($version >= 18)
{
	create_db(
		$node, 'statistics', sql => q{
		CREATE TABLE a (id int PRIMARY KEY, t text, r int4range, arr int[], v int GENERATED ALWAYS AS (id % 7) STORED);
		INSERT INTO a SELECT i, 't' || i % 50, int4range(i, i + 5), ARRAY[i % 3, i] FROM generate_series(1, 3000) i;
		CREATE INDEX a_lower ON a (lower(t), (id % 10));
		CREATE STATISTICS a_st ON t, v FROM a; CREATE STATISTICS a_ex ON (id % 3), v FROM a;
		CREATE TABLE p (id int, k text) PARTITION BY LIST (k); CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('a'); CREATE TABLE p2 PARTITION OF p DEFAULT;
		INSERT INTO p SELECT i, chr(97 + i % 3) FROM generate_series(1, 900) i;
		CREATE MATERIALIZED VIEW m AS SELECT v, count(*) AS n FROM a GROUP BY v; CREATE INDEX m_v ON m (v);
		CREATE FUNCTION f(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || $1'; CREATE INDEX p1_f ON p1 (f(k));
		ANALYZE;});
	my $wrapper = $node->basedir . '/pg_dump_statistics';
	append_to_file($wrapper,
			"#!/bin/sh\nexec '"
		  . $node->basedir
		  . "/pg_dump' \"\$\@\" --statistics\n");
	chmod 0755, $wrapper or die "could not chmod \"$wrapper\": $!";
	my $expected = dump_text($node, 'statistics', '--statistics');
	like($expected, qr/pg_restore_relation_stats/, 'there are statistics');
	like($expected, qr/pg_restore_extended_stats/, 'extended ones too')
	  if $version >= 19;

	# All are replaced or gone when pg_dump begins.  (What VACUUM and ANALYZE change in
	# place, relpages and such, is not as of the snapshot: no DDL here does that.)
	hold_pg_dump($node, 1);
	my ($id, $session) = start_in_background(
		$node,
		'statistics',
		{ destination => 'statistics' },
		set => [
			"backup_bgw.pg_dump_path = '$wrapper'",
			'backup_bgw.slice_size = 8'
		]);
	wait_held($node);
	$node->safe_psql(
		'statistics', q{
		DROP STATISTICS a_st, a_ex; DROP INDEX a_lower, m_v; DROP MATERIALIZED VIEW m;
		ALTER TABLE a ALTER t TYPE bytea USING '\x00', DROP v;
		ALTER TABLE p RENAME TO q; DROP TABLE p1; DROP FUNCTION f; TRUNCATE q;
		INSERT INTO q SELECT i, 'other' FROM generate_series(1, 10) i;
		SELECT pg_clear_attribute_stats('public', 'a', 'arr', false), pg_clear_attribute_stats('public', 'a', 'id', false);}
	);
	release_pg_dump($node);
	$session->quit;
	is(wait_backup($node, $id), 'completed', 'with statistics: completed')
	  or diag(history($node, $id, 'error'));
	my $archive = history($node, $id, 'destination');
	cmp_ok(scalar(grep { /_2\.dat/ } slurp_dir($archive)),
		'>', 0, 'with statistics: a table in several files');
	restore_ok($node, $archive, 'statistics_restored', '-e', '-j', '4');
	same_text(
		sorted(dump_text($node, 'statistics_restored', '--statistics')),
		sorted($expected),
		'with statistics: restored, they are as of the snapshot');
	restore_ok($node, $archive, 'statistics_not', '-e', '--no-statistics');
	is( $node->safe_psql(
			'statistics_not',
			q{SELECT count(*) FROM pg_stats WHERE schemaname = 'public'}),
		'0',
		'with statistics: or not, if pg_restore is told not to');
}

# Rows that several transactions hold: members of multixacts.  From 19 on these
# have numbers of 64 bits, and here they pass 2^32.
{
	if ($version >= 19)
	{
		$node->stop;
		my $offset = 4294967290;
		$node->command_ok(
			[
				'pg_resetwal', '--multixact-offset',
				$offset, '-D',
				$node->data_dir
			],
			'pg_resetwal');
		# 1636 members are on a page, 32 pages in a file
		append_to_file(
			$node->data_dir
			  . sprintf('/pg_multixact/members/%015X',
				int($offset / (1636 * 32))),
			"\0" x (32 * 8192));
		$node->start;
	}
	create_db(
		$node, 'multi', sql => q{
		CREATE TABLE m (id int PRIMARY KEY, v text) WITH (fillfactor = 50); INSERT INTO m SELECT i, 'v' || i FROM generate_series(1, 400) i;}
	);
	my @sessions = map { new_session($node, 'multi') } 1 .. 4;
	session_query($sessions[0],
		'BEGIN; SELECT count(*) FROM (SELECT FROM m FOR KEY SHARE) x');
	session_query($sessions[1],
		q{BEGIN; UPDATE m SET v = v || ' committed' WHERE id <= 100; COMMIT});
	session_query($sessions[2],
		q{BEGIN; UPDATE m SET v = v || ' aborted' WHERE id BETWEEN 101 AND 200; ROLLBACK}
	);
	session_query($sessions[3],
		'BEGIN; SELECT count(*) FROM (SELECT FROM m WHERE id > 300 FOR KEY SHARE) x'
	);
	session_query($sessions[1],
		q{BEGIN; UPDATE m SET v = v || ' later' WHERE id BETWEEN 201 AND 300 OR id > 350}
	);

	my $stock = stock_dump($node, 'multi');
	hold_pg_dump($node);
	my $id = start_backup($node, 'multi', destination => 'multi');
	wait_held($node);
	session_query($sessions[1], 'COMMIT');
	session_query($sessions[0], 'ROLLBACK');
	session_query($sessions[3],
		q{UPDATE m SET v = 'after'; COMMIT; DELETE FROM m WHERE id % 2 = 0});
	$node->safe_psql('multi',
		'VACUUM (FULL, FREEZE) m; VACUUM (FREEZE) m; TRUNCATE m');
	release_pg_dump($node);
	is(wait_backup($node, $id), 'completed', 'multixacts: completed')
	  or diag(history($node, $id, 'error'));
	archives_equal($node, history($node, $id, 'destination'),
		$stock, 'multixacts');

	if ($version >= 19)
	{
		cmp_ok(
			$node->safe_psql(
				'multi',
				'CHECKPOINT; SELECT next_multi_offset FROM pg_control_checkpoint()'
			),
			'>',
			4294967296,
			'the number of a member has passed 2^32');
	}
	$_->quit foreach @sessions;
}

unlike(
	slurp_file($node->logfile),
	qr/PANIC|TRAP|was terminated by signal|leaked?\b/,
	'nothing crashed or leaked');
$node->stop;
done_testing();
