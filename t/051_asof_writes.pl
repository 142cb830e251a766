
# Nothing is written as of S: it would go through index files of that time, and
# catalogs would have rows twice, or lose some.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "max_replication_slots = 4\n");
create_db(
	$node, 'writes', sql => q{
	CREATE SEQUENCE s;
	CREATE TABLE t (a int, b tsvector);
	CREATE INDEX brin ON t USING brin (a);
	CREATE INDEX gin ON t USING gin (b);
	INSERT INTO t VALUES (1, 'x');
	SELECT lo_from_bytea(1, 'large');
	SELECT nextval('s');
	-- functions that nobody knows to write
	CREATE FUNCTION my_lo_create(oid) RETURNS oid LANGUAGE internal STRICT AS 'be_lo_create';
	CREATE FUNCTION my_lo_unlink(oid) RETURNS int LANGUAGE internal STRICT AS 'be_lo_unlink';
	CREATE FUNCTION my_origin(text) RETURNS oid LANGUAGE internal STRICT AS 'pg_replication_origin_create';
	SELECT pg_create_physical_replication_slot('before');});

my $session = new_session($node, 'writes');
session_query(
	$session,
	q{\set VERBOSITY verbose
	CREATE TEMP TABLE own (a int);});

hold_pg_dump($node);
my $id = start_backup($node, 'writes', destination => 'writes');
wait_held($node);
my $enter =
  "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT 'backup_bgw:$id'";

# Present index files know of what is made from now on, those of S do not.
$node->safe_psql(
	'writes', q{
	REINDEX TABLE pg_largeobject;
	REINDEX TABLE pg_largeobject_metadata;
	SELECT lo_from_bytea(500, 'made later');});

my $state =
  q{SELECT (SELECT last_value FROM s), (SELECT count(*) FROM pg_replication_slots),
	(SELECT string_agg(oid::text, ' ' ORDER BY oid) FROM pg_largeobject_metadata),
	(SELECT count(*) FROM pg_replication_origin),
	(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid <> 3),
	(SELECT count(*) FROM own), (SELECT count(*) FROM pg_listening_channels())};
my $before =
  $node->safe_psql('writes', $state =~ s/\(SELECT count\(\*\) FROM own\)/0/r);

my $exported = $node->basedir . '/exported';
my @refused = (
	# by their names, or by what the server says of them
	'SELECT lo_create(500)',
	"SELECT lo_put(1, 0, 'xx')",
	'SELECT lo_unlink(1)',
	'SELECT lo_truncate(lo_open(1, 131072), 0)',
	"SELECT lo_export(1, '$exported')",
	"SELECT pg_replication_origin_create('o')",
	"SELECT pg_create_physical_replication_slot('p')",
	"SELECT pg_create_logical_replication_slot('l', 'pgoutput')",
	"SELECT pg_drop_replication_slot('before')",
	"SELECT count(*) FROM pg_logical_slot_peek_changes('before', NULL, NULL)",
	"SELECT pg_logical_emit_message(false, 'a', 'b')",
	'SELECT pg_export_snapshot()',
	"SELECT brin_summarize_new_values('brin')",
	"SELECT gin_clean_pending_list('gin')",
	"SELECT nextval('s')",
	'EXPLAIN ANALYZE CREATE TABLE new AS SELECT 1',
	'EXPLAIN ANALYZE CREATE MATERIALIZED VIEW new AS SELECT 1',
	"SELECT setval('s', 10)",
	"DO \$\$ DECLARE x int; BEGIN PERFORM set_config('transaction_read_only', 'off', true); x := nextval('s'); END \$\$",
	'SELECT pg_advisory_lock(1)',
	'SELECT pg_try_advisory_lock_shared(1, 2)',
	"SELECT pg_notify('c', 'x')",
	'NOTIFY c',
	'LISTEN c',
	'SELECT pg_switch_wal()',
	"SELECT pg_create_restore_point('r')",
	"SELECT pg_backup_start('x')",
	"SELECT start_backup('nested')",
	# temporary tables are catalogued like others
	'INSERT INTO own VALUES (1)',
	'WITH w AS (INSERT INTO own VALUES (1) RETURNING a) SELECT * FROM w',
	'SELECT * FROM own FOR UPDATE',
	'TRUNCATE own',
	# whatever has got a transaction ID
	'SELECT my_lo_create(500)',
	'SELECT my_lo_unlink(1)',
	"SELECT my_origin('o')",
	'DO $$ DECLARE x oid; BEGIN x := my_lo_create(500); END $$',
	'DO $$ BEGIN BEGIN PERFORM my_lo_unlink(1); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END; END $$',
	'SELECT pg_current_xact_id()',
	'COPY (SELECT my_lo_create(600)) TO stdout',
	'EXPLAIN ANALYZE SELECT my_lo_create(600)',
	'SAVEPOINT a; SELECT my_lo_create(600); RELEASE a',
	# what would outlive the transaction
	'DECLARE c CURSOR WITH HOLD FOR SELECT 1',
	"SET TRANSACTION SNAPSHOT '00000003-00000001-1'");

foreach my $sql (@refused)
{
	session_query($session, $enter);
	like(
		session_error($session, $sql),
		qr/ERROR:  25006:/,
		"refused as of S: $sql");
	session_query($session, 'COMMIT');
}
is(session_query($session, $state), $before, 'nothing has come of it');
ok(!-e $exported, 'nor a file');
session_query($session, $enter);
like(session_error($session, "PREPARE TRANSACTION 'x'"),
	qr/0A000/, 'refused: PREPARE TRANSACTION');
session_query($session, 'ROLLBACK');

# Through the fast path, which knows no statements
session_query($session, $enter);
like(
	session_error($session, "\\lo_import '$0'"),
	qr/cannot execute lo_creat/,
	'refused: \lo_import');
session_query($session, 'ROLLBACK');
session_query($session, $enter);
like(
	session_error($session, '\lo_unlink 1'),
	qr/cannot execute lo_unlink/,
	'refused: \lo_unlink');
session_query($session, 'ROLLBACK');

# What reads
session_query($session, $enter);
foreach my $case (
	[ q{SELECT encode(lo_get(1), 'escape')}, 'large' ],
	[ q{SELECT encode(loread(lo_open(1, 262144), 5), 'escape')}, 'large' ],
	[ q{SELECT set_config('work_mem', '1MB', true)}, '1MB' ],
	[ q{SELECT lastval(), currval('s')}, '7|7' ],
	[ q{SELECT word FROM ts_stat('SELECT b FROM t')}, 'x' ],
	[ q{SELECT pg_advisory_xact_lock(1)}, '' ],
	[ q{SELECT pg_current_xact_id_if_assigned()}, '' ],
	[
		q{SAVEPOINT a; DO $$ BEGIN BEGIN PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN NULL; END; END $$; RELEASE a; SELECT a FROM t},
		'1'
	])
{
	my ($sql, $expected) = @$case;
	if ($sql =~ /lastval/)
	{
		session_query($session,
			"COMMIT; SELECT setval('s', 6), nextval('s'); $enter");
	}
	is(session_query($session, $sql), $expected, "allowed as of S: $sql");
}
session_query($session, 'COMMIT');
$session->quit;

# Catalogs are whole.
$node->safe_psql('writes',
	'REINDEX TABLE pg_largeobject_metadata; REINDEX TABLE pg_largeobject; REINDEX TABLE pg_replication_origin'
);
is( $node->safe_psql(
		'writes',
		q{SELECT string_agg(oid || encode(lo_get(oid), 'escape'), ' ' ORDER BY oid) FROM pg_largeobject_metadata}
	),
	'1large 500made later',
	'large objects are what they were');

release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'the backup is completed')
  or diag(history($node, $id, 'error'));
$node->stop;
done_testing();
