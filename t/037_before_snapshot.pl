
# What is preserved before a backup has its snapshot: as little as possible, and
# it counts.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main',
	conf =>
	  "autovacuum = off\nmax_wal_senders = 2\nsynchronous_commit = local\n");
create_db(
	$node, 'db', sql => q{
	CREATE TABLE t AS SELECT i, repeat('x', 200) AS v FROM generate_series(1, 5000) i;
	CREATE TABLE kept AS TABLE t;
	CREATE TABLE read_only AS SELECT 1 AS i;
	CREATE TABLE s (id serial, i int GENERATED ALWAYS AS IDENTITY)});
my $oid = $node->safe_psql('postgres',
	q{SELECT oid FROM pg_database WHERE datname = 'db'});

sub registries
{
	return
	  scalar grep { /^9[7-9]\d\d_/ }
	  slurp_dir($node->data_dir . "/base/$oid");
}

sub size_of
{
	my ($relation) = @_;
	return $node->safe_psql('db', "SELECT pg_relation_size('$relation')");
}

# While a prepared transaction is waited for, nothing is preserved.
$node->safe_psql('db', q{BEGIN; TRUNCATE t; PREPARE TRANSACTION 'first'});
my ($id, $caller) = start_in_background(
	$node, 'db',
	{ destination => 'waits' },
	set => [
		q{backup_bgw.prepared_transactions = 'wait'},
		q{backup_bgw.max_preserved_size = '1MB'}
	]);
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity JOIN backup_workers USING (pid) WHERE backup_id = $id AND wait_event_type = 'Extension'"
) or die 'the leader does not wait';
$node->safe_psql('db',
	"CREATE TABLE scratch$_ AS TABLE kept; DROP TABLE scratch$_")
  for 1 .. 3;
$node->safe_psql('db', 'TRUNCATE kept');
is( progress(
		$node, $id,
		q{phase || ' ' || files_preserved || ' ' || preserved_bytes}),
	'starting 0 0',
	'nothing is preserved for a backup that waits');
is(registries(), 0, 'and there is no registry');
# another one that it waits for
$node->safe_psql('db',
	q{BEGIN; DROP TABLE kept; PREPARE TRANSACTION 'second'});
$node->safe_psql('db', q{ROLLBACK PREPARED 'first'});
is(progress($node, $id, 'phase'), 'starting', 'it goes on waiting');
$node->safe_psql('db', q{ROLLBACK PREPARED 'second'});
$caller->quit;
is(wait_backup($node, $id), 'completed', 'then it makes the backup')
  or diag(history($node, $id, 'error'));
no_orphans($node, 'nothing is left', 'db');

# A commit that hangs, and may not have seen that there is a backup
sub hang
{
	my $session = new_session($node, 'db');
	session_query($session, 'SET synchronous_commit = on');
	my $pid = session_query($session, 'SELECT pg_backend_pid()');
	$session->query_until(qr/^committing$/m,
		"\\echo committing\nTRUNCATE read_only;\n");
	$node->poll_query_until('postgres',
		"SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = $pid"
	) or die 'the commit does not hang';
	return ($session, $pid);
}

# Waits until a backup preserves files.
sub wait_armed
{
	my ($id) = @_;
	poll_perl(
		sub {
			$node->safe_psql('db', 'CREATE TABLE x (); DROP TABLE x');
			return progress($node, $id, 'files_preserved') ne '0';
		},
		'the guard to be armed');
	return;
}

sub end_hang
{
	my ($session, $pid) = @_;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	$session->quit;
	return;
}

$node->safe_psql('postgres',
	q{ALTER SYSTEM SET synchronous_standby_names = 'nobody'});
$node->reload;
$node->poll_query_until('postgres',
	q{SELECT current_setting('synchronous_standby_names') = 'nobody'})
  or die 'the setting has no effect';
$node->safe_psql('db',
	q{INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 5000) i; INSERT INTO kept TABLE t}
);

# What is preserved meanwhile counts;
my @hung = hang();
($id, $caller) = start_in_background(
	$node, 'db',
	{ destination => 'counts' },
	set => [
		'backup_bgw.commit_timeout = 0',
		q{backup_bgw.max_preserved_size = '100MB'}
	]);
wait_armed($id);
my $size = size_of('t');
my $before = progress($node, $id, 'preserved_bytes');
$node->safe_psql('db', 'TRUNCATE t');
cmp_ok(progress($node, $id, "preserved_bytes - $before"),
	'>=', $size, 'what is preserved before the snapshot is counted');
end_hang(@hung);
$caller->quit;
is(wait_backup($node, $id), 'completed', 'and the backup is completed')
  or diag(history($node, $id, 'error'));
# only files that S needs count then: whoever commits before S leaves none
is(history($node, $id, 'files_preserved'), '0', 'it needed none of it');
no_orphans($node, 'nothing is left of that', 'db');

# and is limited.
@hung = hang();
($id, $caller) = start_in_background(
	$node, 'db',
	{ destination => 'limited' },
	set => [
		'backup_bgw.commit_timeout = 0',
		q{backup_bgw.max_preserved_size = '1MB'}
	]);
wait_armed($id);
$node->safe_psql('db', 'TRUNCATE kept');
$node->wait_for_log(
	qr/ERROR:  files preserved for the backup would take more/);
end_hang(@hung);
$caller->quit;
like(
	$caller->{stderr},
	qr/would take more than backup_bgw\.max_preserved_size \(1024 kB\)/,
	'the limit counts before the snapshot, too');
no_orphans($node, 'nothing is left of that, either', 'db');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_standby_names');
$node->reload;

my $tablespace = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres',
	"CREATE TABLESPACE elsewhere LOCATION '$tablespace'");
$node->safe_psql('db',
	'CREATE VIEW v AS SELECT 1 AS one; CREATE TABLE other (id int PRIMARY KEY)'
);

# Which prepared transactions may unlink files?
foreach my $case (
	[ 'ALTER SEQUENCE s_id_seq INCREMENT 2' => 1 ],
	[ 'ALTER SEQUENCE s_id_seq RESTART' => 1 ],
	[ 'ALTER TABLE s ALTER i RESTART' => 1 ],
	[ 'ALTER SEQUENCE s_id_seq OWNED BY NONE' => 1 ],
	[ 'TRUNCATE t RESTART IDENTITY' => 1 ],
	[ 'REINDEX TABLE t' => 1 ],
	[ q{SELECT nextval('s_id_seq')} => 0 ],
	[ q{SELECT setval('s_id_seq', 7)} => 0 ],
	[ 'INSERT INTO t VALUES (1)' => 0 ],
	[ 'CREATE INDEX ON t (i)' => 0 ],
	[ 'CREATE TABLE made (id serial PRIMARY KEY, v text)' => 0 ],
	[ 'CREATE OR REPLACE VIEW v AS SELECT 1 AS one' => 0 ],
	[ 'ALTER TABLE t SET TABLESPACE elsewhere' => 1 ],
	[ 'ALTER TABLE s ADD FOREIGN KEY (id) REFERENCES other' => 0 ],
	[ 'LOCK TABLE t IN EXCLUSIVE MODE' => 0 ])
{
	my ($sql, $refused) = @$case;
	$node->safe_psql('db', "BEGIN; $sql; PREPARE TRANSACTION 'p'");
	if ($refused)
	{
		start_fails(
			$node, 'db', { destination => 'refused' },
			'55006',
			qr/prepared transaction may unlink files.*'p'/s,
			"prepared before: $sql");
		$node->safe_psql('db', q{COMMIT PREPARED 'p'});
	}
	else
	{
		hold_pg_dump($node, 1);
		my ($backup, $start) =
		  start_in_background($node, 'db',
			{ destination => "case-" . ++$oid });
		wait_held($node);
		$node->safe_psql('db', q{COMMIT PREPARED 'p'});
		release_pg_dump($node);
		$start->quit;
		is(wait_backup($node, $backup),
			'completed', "prepared before, committed after: $sql");
	}
}
no_orphans($node, 'nothing is left in the end', 'db');
$node->stop;
done_testing();
