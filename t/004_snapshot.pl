
# What is in a backup is what was committed when start_backup() took its
# snapshot: no more, no less, in all tables, whatever runs beside it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main');

# Transactions that are open when the backup starts
create_db(
	$node, 'open', sql => q{
	CREATE TABLE t (id int PRIMARY KEY, v text);
	INSERT INTO t SELECT i, 'before' FROM generate_series(1, 10) i;
	CREATE TABLE dropped_columns (a int, b int);
	INSERT INTO dropped_columns VALUES (1, 2);
	CREATE SEQUENCE s;});
my @sessions = map { new_session($node, 'open') } 1 .. 3;
my ($one, $two, $three) = @sessions;

session_query(
	$one,
	q{BEGIN; INSERT INTO t VALUES (100, 'commits later'); UPDATE t SET v = 'updated' WHERE id = 1; DELETE FROM t WHERE id = 2;
	CREATE TABLE made_later (a int); INSERT INTO made_later VALUES (1); SELECT lo_from_bytea(99, 'x');}
);
session_query(
	$two,
	q{BEGIN; SAVEPOINT a; INSERT INTO t VALUES (101, 'rolled back'); ROLLBACK TO a; SAVEPOINT b;
	UPDATE t SET v = 'in a subtransaction' WHERE id = 3; RELEASE b; SAVEPOINT c; INSERT INTO t VALUES (102, 'subtransaction');}
);
# more subtransactions than a process keeps in shared memory
session_query($three,
	q{BEGIN; DO $$ BEGIN FOR i IN 1..100 LOOP BEGIN INSERT INTO t VALUES (1000 + i, 'many'); EXCEPTION WHEN division_by_zero THEN END; END LOOP; END $$;}
);
$node->safe_psql('open',
	q{BEGIN; INSERT INTO t VALUES (103, 'prepared'); PREPARE TRANSACTION 'p'}
);

hold_pg_dump($node);
my $id = start_backup($node, 'open', destination => 'open');
session_query($_, 'COMMIT') for @sessions;
$node->safe_psql('open', q{COMMIT PREPARED 'p';});
$node->safe_psql(
	'open', q{
	INSERT INTO t VALUES (104, 'new');
	UPDATE t SET v = 'later' WHERE id IN (4, 100);
	DELETE FROM t WHERE id = 5;
	ALTER TABLE dropped_columns ADD c int DEFAULT 3;
	INSERT INTO dropped_columns VALUES (4, 5, 6);
	CREATE TABLE made_after AS SELECT 1 AS a;
	SELECT nextval('s');});
$node->safe_psql('open', 'VACUUM');
wait_held($node);
is(progress($node, $id, 'phase'),
	'schema', 'the backup has read no table yet');
release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'backup with open transactions')
  or diag(history($node, $id, 'error'));
$_->quit for @sessions;

restore_ok($node, history($node, $id, 'destination'), 'open_r', '-e');
is( $node->safe_psql(
		'open_r', q{SELECT count(*), min(id), max(id), min(v), max(v) FROM t}
	),
	'10|1|10|before|before',
	'rows are those committed before the start');
is($node->safe_psql('open_r', q{SELECT * FROM dropped_columns}),
	'1|2', 'columns are those committed before the start');
is( $node->safe_psql(
		'open_r',
		q{SELECT to_regclass('made_later'), to_regclass('made_after'), (SELECT count(*) FROM pg_largeobject_metadata)}
	),
	'||0',
	'no later objects');
is($node->safe_psql('open', 'SELECT count(*) FROM t'),
	'112', 'while the database went on');

# pgbench beside it.  Each transaction adds the same delta to three tables and
# a row to a fourth, so sums agree in every snapshot, and in no mixture.
create_db($node, 'bench');
$node->command_ok([ 'pgbench', '-i', '-q', '-s', '2', 'bench' ],
	'pgbench -i');
$node->safe_psql('bench', q{CREATE TABLE marker (n serial, at_lsn pg_lsn)});
my $script = $node->basedir . '/script';
append_to_file($script, <<'SQL');
\set aid random(1, 200000)
\set tid random(1, 20)
\set bid random(1, 2)
\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
SQL
my ($in, $out) = ('', '');
my $pgbench;
{
	local %ENV = $node->_get_env;
	$pgbench = IPC::Run::start(
		[ 'pgbench', '-n', '-c', '4', '-T', '120', '-f', $script, 'bench' ],
		'<', \$in, '>&', \$out);
}
$node->poll_query_until('bench', 'SELECT count(*) > 100 FROM pgbench_history')
  or die 'pgbench does not run';

foreach my $round (1 .. 3)
{
	my $before = $node->safe_psql('bench',
		q{INSERT INTO marker DEFAULT VALUES; SELECT count(*) FROM pgbench_history}
	);
	my $bid =
	  start_backup($node, 'bench', destination => "bench-$round", jobs => 3);
	my $after = $node->safe_psql('bench',
		q{INSERT INTO marker DEFAULT VALUES; SELECT count(*) FROM pgbench_history}
	);
	# the tables change while they are read, and some more
	$node->poll_query_until('bench',
		"SELECT count(*) > $after + 50 FROM pgbench_history")
	  or die 'pgbench does not run';
	is(wait_backup($node, $bid), 'completed', "backup $round beside pgbench")
	  or diag(history($node, $bid, 'error'));
	restore_ok($node, history($node, $bid, 'destination'),
		"bench_$round", '-e', '-j', '2');
	is( $node->safe_psql(
			"bench_$round", q{SELECT
			(SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history),
			(SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(delta) FROM pgbench_history),
			(SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(delta) FROM pgbench_history),
			(SELECT count(*) FROM pgbench_accounts)}),
		't|t|t|200000',
		"restored sums agree ($round)");
	is( $node->safe_psql("bench_$round", 'SELECT count(*) FROM marker'),
		2 * $round - 1,
		"exactly the rows from before the start ($round)");
	my $rows = $node->safe_psql("bench_$round",
		'SELECT count(*) FROM pgbench_history');
	cmp_ok($rows, '>=', $before, "no committed row is missing ($round)");
	cmp_ok($rows, '<=', $after, "no later row ($round)");
	$node->safe_psql('postgres', "DROP DATABASE bench_$round");
}
ok($pgbench->pumpable, 'pgbench ran all the time') or diag($out);
$pgbench->signal('INT');
$pgbench->finish;

$node->stop;
done_testing();
