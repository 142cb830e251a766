
# Locks of sessions as of S: those on relations are given back early, unless a
# cursor reads the relation; others are none of its business.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main');
create_db(
	$node, 'locks', sql => q{
	CREATE TABLE t (a int PRIMARY KEY);
	INSERT INTO t SELECT generate_series(1, 10000);
	CREATE TABLE parent (a int) PARTITION BY RANGE (a);
	CREATE TABLE child PARTITION OF parent FOR VALUES FROM (1) TO (100000);
	INSERT INTO parent SELECT generate_series(1, 10000);
	CREATE TABLE u AS SELECT 1 AS a;});
create_db(
	$node, 'failed', sql => q{
	CREATE TABLE t AS SELECT i, repeat('x', 100) FROM generate_series(1, 10000) i;
	CREATE TABLE precious AS SELECT generate_series(1, 1000) AS a;});

hold_pg_dump($node);
my $id = start_backup($node, 'locks', destination => 'locks');
wait_held($node);
my $enter =
  "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT 'backup_bgw:$id'";
my $session = new_session($node, 'locks');
my $pid = session_query($session, 'SELECT pg_backend_pid()');

sub locks
{
	return $node->safe_psql('locks',
		"SELECT string_agg(CASE locktype WHEN 'relation' THEN relation::regclass::text ELSE locktype END, ' ' ORDER BY 1) FROM pg_locks WHERE pid = $pid AND locktype <> 'virtualxid' AND objsubid IS DISTINCT FROM 3"
	);
}

# an error if the table is locked
sub truncate_error
{
	my ($table) = @_;
	my ($ret, $out, $err) = $node->psql('locks',
		"\\set VERBOSITY verbose\nSET lock_timeout = '100ms'; TRUNCATE $table"
	);
	return $err;
}

session_query($session, $enter);
session_query($session, 'SELECT pg_advisory_xact_lock(42)');
session_query($session, 'SELECT count(*) FROM t');
session_query($session, 'COPY u TO stdout');
is(locks(), 'advisory',
	'advisory locks stay to the end of the transaction, locks on tables do not'
);
session_query($session,
	'SAVEPOINT a; SELECT pg_advisory_xact_lock_shared(43); SELECT count(*) FROM u'
);
is(locks(), 'advisory advisory', 'likewise in a subtransaction');
session_query($session, 'ROLLBACK TO a');
is(locks(), 'advisory', 'which gives up its own');
session_query($session, 'COMMIT');
is(locks(), '', 'gone with the transaction');

# Cursors have pages pinned.
foreach my $case (
	[ 't', 'SELECT a FROM t' ],
	[ 't', 'SELECT a FROM t ORDER BY a' ],
	[ 'child', 'SELECT a FROM parent' ])
{
	my ($table, $query) = @$case;
	session_query($session, $enter);
	session_query($session, "DECLARE c CURSOR FOR $query; FETCH 1 FROM c");
	session_query($session, 'SELECT count(*) FROM u; COPY u TO stdout');
	like(locks(), qr/\b$table\b/, "a cursor keeps its table locked: $query");
	unlike(locks(), qr/\bu\b/, 'but no other');
	like(truncate_error($table),
		qr/55P03/, 'nobody can unlink a file that it has pinned');
	is(session_query($session, 'FETCH 2 FROM c'), "2\n3", 'it goes on');
	is(truncate_error('u'), '', 'what it does not read is free');
	session_query($session, 'CLOSE c');
	is(locks(), '', 'no lock is left when it is closed');
	is(truncate_error($table), '', 'and DDL goes on');
	is(session_query($session, "SELECT count(*) FROM $table"),
		'10000', 'as of S');
	$node->safe_psql('locks',
		"INSERT INTO $table SELECT generate_series(1, 20000, 2)");
	session_query($session, 'COMMIT');
	last if $table eq 'child';
	release_pg_dump($node);
	wait_backup($node, $id);
	$node->safe_psql('locks',
		'TRUNCATE t; INSERT INTO t SELECT generate_series(1, 10000)');
	hold_pg_dump($node);
	$id = start_backup($node, 'locks');
	wait_held($node);
	$enter =~ s/backup_bgw:\d+/backup_bgw:$id/;
}
session_query($session, $enter);
session_query($session,
	'DECLARE c CURSOR FOR SELECT a FROM parent; FETCH 1 FROM c; SAVEPOINT a; DECLARE d CURSOR FOR SELECT a FROM u; FETCH 1 FROM d'
);
session_error($session, 'SELECT 1/0');
session_query($session, 'ROLLBACK TO a');
like(locks(), qr/child/, 'a cursor that survives a subtransaction');
session_query($session, 'ROLLBACK');
is(locks(), '', 'no lock is left');
$session->quit;
release_pg_dump($node);
wait_backup($node, $id);

# A table that is dropped when no callback looks any more, neither by name nor
# because of one: a file is whole if it is the present one or was preserved.
hold_pg_dump($node);
$id = start_backup($node, 'failed');
wait_held($node);
$enter =~ s/backup_bgw:\d+/backup_bgw:$id/;
$session = new_session($node, 'failed');
session_query($session, '\set VERBOSITY verbose');
session_query($session, $enter);
$node->safe_psql(
	'failed', q{
	BEGIN;
	CREATE TEMP TABLE own (a int) ON COMMIT DROP;
	CREATE FUNCTION key(a int, b text DEFAULT (NULL::pg_temp.own)::text) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT a';
	CREATE TABLE parted (a int) PARTITION BY RANGE (key(a));
	ALTER TABLE parted ATTACH PARTITION precious FOR VALUES FROM (0) TO (10000);
	COMMIT;});
is($node->safe_psql('failed', q{SELECT to_regclass('precious')}),
	'', 'a table is dropped by cascade at commit');
$session->{stderr} = '';
my $result = $session->query('SELECT count(*) FROM precious');
like(
	$result . $session->{stderr},
	qr/^1000$|55000: rows of relation "precious"/,
	'it is there as of S, or an error');
session_query($session, 'ROLLBACK');
release_pg_dump($node);
wait_backup($node, $id);
$session->quit;

# A file that the guard could not preserve is not trusted, even if the backup
# does not know yet that it has failed.
hold_pg_dump($node);
$id = $node->safe_psql('failed',
	"SET backup_bgw.max_preserved_size = '100kB'; SELECT start_backup('failed')"
);
wait_held($node);
my $leader = progress($node, $id, 'pid');
$session = new_session($node, 'failed');
session_query($session, '\set VERBOSITY verbose');
$enter =~ s/backup_bgw:\d+/backup_bgw:$id/;
session_query($session, $enter);
is(session_query($session, 'SELECT count(*) FROM t'), '10000', 'as of S');
kill 'STOP', $leader;
$node->safe_psql('failed', 'TRUNCATE t');
like(
	session_error($session, 'SELECT count(*) FROM t'),
	qr/55000: rows of relation "t"/,
	'a file that could not be preserved');
session_query($session, 'ROLLBACK');
kill 'CONT', $leader;
release_pg_dump($node);
backup_fails($node, $id, qr/max_preserved_size/, 'failed guard');
$session->quit;

$node->stop;
done_testing();
