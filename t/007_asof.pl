
# SET TRANSACTION SNAPSHOT 'backup_bgw:<id>': a session sees definitions and
# data as of the backup's snapshot, and holds no locks.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "autovacuum = off\n");
create_db(
	$node, 'asof', sql => q{
	CREATE SCHEMA s;
	CREATE TYPE s.color AS ENUM ('red', 'green');
	CREATE TYPE s.pair AS (a int, b text);
	CREATE DOMAIN s.small AS int CHECK (VALUE < 10);
	CREATE TABLE s.t (id int PRIMARY KEY, old_name text DEFAULT 'd', c s.color, p s.pair, d s.small);
	INSERT INTO s.t VALUES (1, 'one', 'red', '(1,x)', 1), (2, 'two', 'green', '(2,y)', 2);
	CREATE TABLE s.changed (a int, b text);
	INSERT INTO s.changed VALUES (1, 'x');
	CREATE VIEW s.v AS SELECT old_name, c FROM s.t WHERE id > 1;
	CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1';
	CREATE FUNCTION s.g() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN 'old'; END$$;
	CREATE SEQUENCE s.seq;
	CREATE TABLE s.hints (id int PRIMARY KEY, v int);
	CREATE INDEX hints_v ON s.hints (v);
	CREATE FUNCTION s.tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
	CREATE TRIGGER tg BEFORE INSERT ON s.hints FOR EACH ROW EXECUTE FUNCTION s.tf();
	CREATE RULE r AS ON DELETE TO s.hints DO INSTEAD NOTHING;
	COMMENT ON TABLE s.t IS 'as it was';
	CREATE TABLE s.untouched AS SELECT i FROM generate_series(1, 10) i;
	SELECT lo_from_bytea(1, 'large');});
create_db($node, 'sink', file => $kitchen_sink);
create_db($node, 'other');
$node->safe_psql(
	'postgres', q{
	CREATE ROLE nobody; CREATE ROLE backup_role IN ROLE pg_read_all_data, pg_write_server_files;}
);

my $before = dump_text($node, 'asof');
hold_pg_dump($node);
my $id = start_backup($node, 'asof', destination => 'asof');
wait_held($node);

# The session
my $session = new_session($node, 'asof');
my $enter =
  "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT 'backup_bgw:$id'";
session_query($session, '\set VERBOSITY verbose');
my $pid = session_query($session, 'SELECT pg_backend_pid()');

# but for the lock that every session as of S holds, to which nobody else comes
my $not_readers =
  q{NOT (locktype = 'advisory' AND mode = 'ShareLock' AND objsubid = 3)};

# fill its caches with the present definitions first
session_query($session, 'SELECT s.f(1), s.g(), * FROM s.t, s.v');
session_query($session, $enter);
session_query($session, 'SELECT count(*) FROM s.t');
$node->safe_psql(
	'asof', q{
	SET lock_timeout = '60s';
	ALTER TABLE s.t RENAME old_name TO new_name;
	ALTER TABLE s.t ADD added int DEFAULT 5;
	ALTER TABLE s.t RENAME TO renamed;
	INSERT INTO s.renamed (id) VALUES (3);
	DELETE FROM s.renamed WHERE id = 1;
	COMMENT ON TABLE s.renamed IS 'as it is';
	ALTER TYPE s.color RENAME VALUE 'red' TO 'crimson';
	ALTER TYPE s.pair RENAME ATTRIBUTE b TO bb;
	ALTER DOMAIN s.small ADD CHECK (VALUE > -100);
	DROP VIEW s.v;
	DROP FUNCTION s.f(int);
	CREATE OR REPLACE FUNCTION s.g() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN 'new'; END$$;
	DROP SEQUENCE s.seq;
	ALTER TABLE s.changed DROP a;
	ALTER TABLE s.hints DROP CONSTRAINT hints_pkey;
	DROP INDEX s.hints_v;
	DROP TRIGGER tg ON s.hints;
	DROP RULE r ON s.hints;
	CREATE TABLE s.made_later (a int);});
$node->safe_psql('asof', 'VACUUM s.hints');
$node->safe_psql('asof', 'VACUUM');
is( $node->safe_psql(
		'asof',
		q{SELECT relhasindex, relhastriggers, relhasrules FROM pg_class WHERE oid = 's.hints'::regclass}
	),
	'f|f|f',
	'VACUUM has reset the columns in place');

foreach my $case (
	[
		'renamed table and column',
		'SELECT old_name FROM s.t ORDER BY id',
		"one\ntwo"
	],
	[ 'columns', 'SELECT * FROM s.t WHERE id = 1', '1|one|red|(1,x)|1' ],
	[
		'enum label', "SELECT 'red'::s.color, c FROM s.t WHERE id = 1",
		'red|red'
	],
	[ 'composite type', 'SELECT (p).b FROM s.t WHERE id = 2', 'y' ],
	[
		'row as JSON', 'SELECT row_to_json(p) FROM s.t WHERE id = 2',
		'{"a":2,"b":"y"}'
	],
	[ 'dropped view', 'SELECT * FROM s.v', 'two|green' ],
	[
		'definition of a dropped view',
		q{SELECT pg_get_viewdef('s.v'::regclass) LIKE '%old_name%'}, 't'
	],
	[ 'dropped function', 'SELECT s.f(1)', '2' ],
	[ 'replaced function', 'SELECT s.g()', 'old' ],
	[ 'comment', q{SELECT obj_description('s.t'::regclass)}, 'as it was' ],
	[
		'dropped sequence',
		q{SELECT count(*) FROM pg_class WHERE relname = 'seq'}, '1'
	],
	[ 'dropped column', 'SELECT * FROM s.changed', '1|x' ],
	[
		'later objects',
		q{SELECT to_regclass('s.made_later'), to_regclass('s.renamed')}, '|'
	],
	[
		'dropped indexes',
		q{SELECT count(*) FROM pg_index WHERE indrelid = 's.hints'::regclass},
		'2'
	],
	[
		'definition of a dropped index',
		q{SELECT pg_get_indexdef(oid) LIKE '%(v)' FROM pg_class WHERE relname = 'hints_v'},
		't'
	],
	[
		'pg_class, in-place columns',
		q{SELECT relhasindex, relhastriggers, relhasrules FROM pg_class WHERE oid = 's.hints'::regclass},
		't|t|t'
	],
	[
		'the same in a subquery',
		q{SELECT (SELECT c.relhasindex AND x.relhasrules FROM pg_namespace n WHERE n.oid = c.relnamespace) FROM pg_class c JOIN pg_class x USING (oid) WHERE c.oid = 's.hints'::regclass},
		't'
	],
	[
		'the same as a condition',
		q{SELECT count(*) FROM (SELECT * FROM pg_class) c WHERE c.relhastriggers AND c.oid = 's.hints'::regclass},
		'1'
	],
	[
		'the same through WITH',
		q{WITH c AS MATERIALIZED (SELECT oid, relhasindex FROM pg_catalog.pg_class) SELECT relhasindex FROM c WHERE oid = 's.hints'::regclass},
		't'
	],
	[
		'the same by a cursor',
		q{DECLARE c CURSOR FOR SELECT relhasindex FROM pg_class WHERE oid = 's.hints'::regclass; FETCH ALL FROM c; CLOSE c},
		't'
	],
	[
		'cursor that was open',
		q{DECLARE d CURSOR FOR SELECT oid FROM pg_largeobject_metadata ORDER BY oid; FETCH 1 FROM d; CLOSE d},
		'1'
	],
	[
		'the same by a prepared statement',
		q{PREPARE p AS SELECT relhasindex FROM pg_class WHERE oid = 's.hints'::regclass; EXECUTE p; DEALLOCATE p},
		't'
	],
	[ 'LOCK TABLE', 'LOCK TABLE s.t, s.untouched IN ACCESS SHARE MODE', '' ],
	[
		'LOCK TABLE of another mode',
		'LOCK TABLE ONLY s.untouched IN ACCESS EXCLUSIVE MODE', ''
	],
	[ 'COPY relation', 'COPY s.untouched TO stdout', join("\n", 1 .. 10) ],
	[
		'COPY relation with columns',
		'COPY s.t (id, old_name) TO stdout',
		"1\tone\n2\ttwo"
	],
	[
		'COPY query',
		'COPY (SELECT id, old_name FROM s.t ORDER BY 1) TO stdout',
		"1\tone\n2\ttwo"
	],
	[ 'user table', 'SELECT sum(i) FROM s.untouched', '55' ],
	[
		'EXPLAIN',
		'EXPLAIN (COSTS OFF) SELECT * FROM s.untouched',
		'Seq Scan on untouched'
	])
{
	my ($name, $sql, $expected) = @$case;
	is(session_query($session, $sql), $expected, "as of S: $name");
	is( $node->safe_psql(
			'postgres',
			"SELECT string_agg(locktype, ' ') FROM pg_locks WHERE pid = $pid AND $not_readers"
		),
		'virtualxid',
		"no lock after it: $name");
}

# LOCK TABLE does not even wait.
{
	my $blocker = new_session($node, 'asof');
	session_query($blocker,
		'BEGIN; LOCK TABLE s.untouched IN ACCESS EXCLUSIVE MODE');
	is( session_error(
			$session, 'LOCK TABLE s.untouched IN ACCESS SHARE MODE NOWAIT'),
		'',
		'as of S: LOCK TABLE of a table that is locked');
	$blocker->quit;
}

# Large objects, as pg_dump reads them: not by statements
my $exported = $node->basedir . '/exported';
session_query($session, "\\lo_export 1 '$exported'");
is(slurp_file($exported), 'large', 'as of S: large object');
is( $node->safe_psql(
		'postgres',
		"SELECT string_agg(locktype, ' ') FROM pg_locks WHERE pid = $pid AND $not_readers"
	),
	'virtualxid',
	'no lock after it: large object');

# Only reading; an error ends the transaction, so each needs its own.
foreach my $sql (
	'CREATE TEMP TABLE x (a int)',
	'INSERT INTO s.untouched VALUES (1)',
	'ANALYZE s.untouched',
	'CREATE INDEX ON s.untouched (i)',
	"COPY s.untouched FROM '/dev/null'",
	"SELECT nextval('s.seq')",
	'SET TRANSACTION READ WRITE; DELETE FROM s.untouched',
	'REINDEX TABLE s.untouched',
	'SELECT * FROM s.untouched FOR UPDATE')
{
	session_query($session, "ROLLBACK; $enter");
	like(
		session_error($session, $sql),
		qr/ERROR:  25006:/,
		"refused as of S: $sql");
}
session_query($session, 'ROLLBACK');

# Afterwards all is as usual.
is(session_query($session, 'SELECT s.g()'),
	'new', 'normal after ROLLBACK: function');
is( session_query(
		$session, 'SELECT id, new_name, added FROM s.renamed ORDER BY 1'),
	"2|two|5\n3|d|5",
	'normal: table');
like(session_error($session, 'SELECT * FROM s.v'),
	qr/42P01/, 'normal: dropped view is gone');
is( session_query($session, 'COPY s.untouched TO stdout'),
	join("\n", 1 .. 10),
	'normal: COPY');
is( session_query(
		$session,
		q{SELECT relhasindex FROM pg_class WHERE oid = 's.hints'::regclass}),
	'f',
	'normal: pg_class');
session_query($session,
	'BEGIN; LOCK TABLE s.untouched IN ACCESS EXCLUSIVE MODE');
is( session_query(
		$session,
		q{SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'AccessExclusiveLock'}
	),
	'1',
	'normal: LOCK TABLE');
session_query($session,
	'COMMIT; CREATE TABLE s.normal (a int); INSERT INTO s.normal VALUES (1); DROP TABLE s.normal'
);
session_query($session, "$enter; SELECT 1; COMMIT");
is(session_query($session, 'SELECT s.g()'), 'new', 'normal after COMMIT');
session_query($session, "$enter; SET LOCAL work_mem = '1MB'");
session_error($session, 'SELECT 1/0');
session_query($session, 'ROLLBACK');
is(session_query($session, 'SELECT s.g()'), 'new', 'normal after an error');
session_query($session, "$enter; SAVEPOINT a; SELECT s.f(1)");
session_error($session, 'SELECT 1/0');
session_query($session, 'ROLLBACK TO a');
is(session_query($session, 'SELECT s.g()'),
	'old', 'as of S after ROLLBACK TO SAVEPOINT');
session_query($session, 'COMMIT');
is(session_query($session, 'SELECT s.g()'), 'new', 'normal after that');

# Who may, and when
foreach my $case (
	[
		'unprivileged role',
		'SET ROLE nobody',
		"'backup_bgw:$id'",
		qr/42501: permission denied/
	],
	[
		'role that may start backups',
		'SET ROLE backup_role',
		"'backup_bgw:$id'",
		qr/42501: permission denied/
	],
	[
		'unknown backup', '',
		"'backup_bgw:999999'", qr/42704: backup 999999 is not running/
	],
	[ 'not a number', '', "'backup_bgw:x'", qr/22023: invalid backup id/ ],
	[
		'trailing junk', '',
		"'backup_bgw:${id}x'", qr/22023: invalid backup id/
	],
	[ 'no number', '', "'backup_bgw:'", qr/22023: invalid backup id/ ])
{
	my ($name, $before, $snapshot, $error) = @$case;
	session_query($session, $before) if $before;
	session_query($session, 'BEGIN ISOLATION LEVEL REPEATABLE READ');
	like(session_error($session, "SET TRANSACTION SNAPSHOT $snapshot"),
		$error, "refused: $name");
	session_query($session, 'ROLLBACK; RESET ROLE');
}
like(session_error($session, "SET TRANSACTION SNAPSHOT 'backup_bgw:$id'"),
	qr/ERROR/, 'refused: no transaction');
session_query($session, 'BEGIN');
like(
	session_error($session, "SET TRANSACTION SNAPSHOT 'backup_bgw:$id'"),
	qr/ERROR:  0A000/,
	'refused: read committed');
session_query($session,
	'ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
like(
	session_error($session, "SET TRANSACTION SNAPSHOT 'backup_bgw:$id'"),
	qr/ERROR:  25001/,
	'refused: after a query');
session_query($session, 'ROLLBACK');
{
	my $other = new_session($node, 'other');
	session_query($other, 'BEGIN ISOLATION LEVEL REPEATABLE READ');
	like(
		session_error($other, "SET TRANSACTION SNAPSHOT 'backup_bgw:$id'"),
		qr/different database/,
		'refused: another database');
	session_query($other, "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ");
	my $snapshot =
	  session_query($session, 'BEGIN; SELECT pg_export_snapshot()');
	like(
		session_error($other, "SET TRANSACTION SNAPSHOT '$snapshot'"),
		qr/different database/,
		"other snapshots: the server's own error");
	session_query($session, 'ROLLBACK');
	$other->quit;
}

# Rows of before, as long as the backup needs them
$node->safe_psql('asof',
	'TRUNCATE s.untouched; CREATE TABLE s.all_later (a int)');
session_query($session, "$enter; SELECT s.f(1)");
is(session_query($session, 'SELECT count(*) FROM s.untouched'),
	'10', 'as of S: truncated table');

# A session as of S goes on when the backup ends.
release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'the backup is completed')
  or diag(history($node, $id, 'error'));
same_text(archive_text($node, history($node, $id, 'destination')),
	$before, 'and is as of S, data and all');
like(session_error($session, 'SELECT s.f(1)'),
	qr/^(ERROR.*)?$/s, 'the session is still there');
session_query($session, 'ROLLBACK');
is(session_query($session, 'SELECT s.g()'), 'new', 'and is normal then');

# A table that the backup is through with: an error, not an empty table.  The
# server may miss the files of an index first.
my $gone =
  qr/55000: rows of relation "\w+" as of the snapshot|XX001: could not read block/;
$node->safe_psql('asof',
	'INSERT INTO s.untouched VALUES (1), (2); ALTER TABLE s.renamed ALTER new_name SET STORAGE external'
);
$node->safe_psql('asof',
	q{INSERT INTO s.renamed (id, new_name) VALUES (9, repeat('x', 10000))});
$id = start_backup(
	$node, 'asof',
	destination => 'late',
	max_rate => '4kB',
	jobs => 1);
$node->poll_query_until('asof',
	"SELECT tables_done >= 2 FROM backup_progress WHERE backup_id = $id")
  or die 'no table is done';
(my $done = $enter) =~ s/backup_bgw:\d+/backup_bgw:$id/;
foreach my $case (
	[ 's.untouched', 'TRUNCATE s.untouched' ],
	[ 's.renamed', 'VACUUM FULL s.renamed' ])
{
	my ($table, $ddl) = @$case;
	session_query($session, $done);
	my $rows = session_query($session, "SELECT count(*) FROM $table");
	$node->safe_psql('asof', $ddl);
	my $kept = $node->safe_psql('asof',
		"SELECT count(*) > 0 FROM backup_preserved_files WHERE relation = '$table'"
	) eq 't';
	my $error = session_error($session, "SELECT count(*) FROM $table");
	$kept
	  ? is($error, '', "$table, which the backup has not read")
	  : like($error, $gone,
		"$table, which the backup has read: an error, not nothing");
	session_query($session, 'ROLLBACK');
}
session_query($session, $done);
# on a slow machine it may end before that
$node->safe_psql('asof', "SELECT cancel_backup($id)");
like(wait_backup($node, $id), qr/^(cancelled|completed)$/, 'it has ended');
$node->safe_psql('asof', 'TRUNCATE s.renamed');
like(session_error($session, 'SELECT count(*) FROM s.renamed'),
	$gone, 'after the end of the backup: an error, not nothing');
session_query($session, 'ROLLBACK');
$session->quit;

# pg_dump itself, after all that it has to find was dropped
my $expected = dump_text($node, 'sink', '-s');
hold_pg_dump($node);
$id = start_backup($node, 'sink', destination => 'sink');
wait_held($node);
$node->safe_psql(
	'sink', q{
	DO $$ DECLARE r record; BEGIN
		FOR r IN SELECT evtname FROM pg_event_trigger LOOP EXECUTE format('DROP EVENT TRIGGER %I', r.evtname); END LOOP;
		FOR r IN SELECT pubname FROM pg_publication LOOP EXECUTE format('DROP PUBLICATION %I', r.pubname); END LOOP;
		FOR r IN SELECT subname FROM pg_subscription LOOP EXECUTE format('DROP SUBSCRIPTION %I', r.subname); END LOOP;
		FOR r IN SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('information_schema', 'public') LOOP
			EXECUTE format('DROP SCHEMA %I CASCADE', r.nspname); END LOOP;
		FOR r IN SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' LOOP EXECUTE format('DROP EXTENSION %I CASCADE', r.extname); END LOOP;
		FOR r IN SELECT fdwname FROM pg_foreign_data_wrapper LOOP EXECUTE format('DROP FOREIGN DATA WRAPPER %I CASCADE', r.fdwname); END LOOP;
		FOR r IN SELECT amname FROM pg_am WHERE amname LIKE 'ks%' LOOP EXECUTE format('DROP ACCESS METHOD %I CASCADE', r.amname); END LOOP;
		PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
	END $$;
	COMMENT ON EXTENSION plpgsql IS 'changed';
	GRANT USAGE ON SCHEMA public TO PUBLIC;});
$node->safe_psql('sink', 'VACUUM');
isnt(dump_text($node, 'sink', '-s'), $expected, 'the database has changed');
same_text(dump_text($node, 'sink', '-s', "--snapshot=backup_bgw:$id"),
	$expected, "pg_dump --snapshot=backup_bgw:<id> dumps the schema as of S");
release_pg_dump($node);
wait_backup($node, $id);

$node->stop;
done_testing();
