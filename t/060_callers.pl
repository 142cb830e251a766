
# Callers of start_backup() who go away while they wait, come late, or hold what
# their own backup must read; and leaders that come back after a crash.

use strict;
use warnings;
use File::Path ();
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

# autovacuum would get in the way of exclusive locks on catalogs
my $node =
  new_node('main', conf => "backup_bgw.max_backups = 1\nautovacuum = off\n");
my $dir = backup_dir($node);
create_db(
	$node, 'db', sql => q{
	CREATE TABLE t AS SELECT 1 AS a;
	CREATE VIEW v AS SELECT a FROM t;
	CREATE TABLE u AS SELECT 2 AS a;});

# After a crash the server starts the leader anew.  The history is lost, so ids
# begin again, and a new backup has that leader's slot and id before it comes:
# background workers are slow to start here.
{
	hold_pg_dump($node);
	my $id = start_backup($node, 'db', destination => 'crashed');
	is($id, '1', 'the first backup');
	wait_held($node);
	$node->append_conf('postgresql.conf',
		"restart_after_crash = on\npost_auth_delay = 2\n");
	$node->reload;
	local $ENV{PGOPTIONS} = '-c post_auth_delay=0';
	$node->poll_query_until('postgres',
		q{SELECT setting = 'on' FROM pg_settings WHERE name = 'restart_after_crash'}
	) or die;
	my $offset = -s $node->logfile;
	kill 'KILL',
	  $node->safe_psql('postgres',
		"SELECT pid FROM backup_progress WHERE backup_id = $id");
	$node->wait_for_log(qr/database system is ready to accept connections/,
		$offset);
	release_pg_dump($node);
	File::Path::rmtree($node->data_dir . '/backup_bgw/history');

	hold_pg_dump($node, 1);
	my ($new, $session) =
	  start_in_background($node, 'db', { destination => 'after' });
	is($new, $id, 'a new backup has the id of the one that crashed');
	wait_held($node);
	$node->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'backup_bgw leader'}
	) or die;
	release_pg_dump($node);
	$session->quit;
	is(wait_backup($node, $new), 'completed', 'it completes')
	  or diag(history($node, $new, 'error'));
	is( scalar(
			() =
			  slurp_file($node->logfile, $offset) =~
			  /backup 1 of database "db" to .* started/g),
		1,
		'with one leader only');
	$node->command_ok([ verify_command($node, "$dir/after") ],
		'and verifies');
	$node->append_conf('postgresql.conf', "post_auth_delay = 0\n");
	$node->reload;
}

# The pid of the session that is in start_backup()
sub caller_pid
{
	return $node->safe_psql('postgres',
		q{SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT start_backup(%'}
	);
}

sub nothing_left
{
	my ($id, $destination, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok( $node->poll_query_until(
			'postgres', q{SELECT count(*) = 0 FROM backup_progress}),
		"$name: the backup is gone");
	is(history($node, $id, 'count(*)'), '0', "$name: as if it never was");
	ok(!-e "$dir/$destination" && !-e "$dir/$destination.partial",
		"$name: nothing on disk");
	backup_ok($node, 'db', name => "$name: the slot is free");
	return;
}

sub terminate_caller
{
	my ($session) = @_;
	is( $node->safe_psql(
			'postgres', 'SELECT pg_terminate_backend(' . caller_pid() . ')'),
		't',
		'caller is terminated');
	eval { $session->quit };
	return;
}

# The caller is terminated while the leader waits for a prepared transaction
$node->safe_psql('db', q{BEGIN; TRUNCATE u; PREPARE TRANSACTION 'p'});
my ($id, $session) = start_in_background(
	$node, 'db',
	{ destination => 'gone1' },
	set => [q{backup_bgw.prepared_transactions = 'wait'}]);
terminate_caller($session);
$node->poll_query_until('postgres',
	q{SELECT count(*) = 0 FROM backup_progress})
  or die 'the backup is still there';
$node->safe_psql('db', q{ROLLBACK PREPARED 'p'});
nothing_left($id, 'gone1', 'leader waits for a prepared transaction');

# ... for a lock
my $blocker = new_session($node, 'db');
session_query($blocker,
	'BEGIN; LOCK TABLE pg_extension IN ACCESS EXCLUSIVE MODE');
($id, $session) =
  start_in_background($node, 'db', { destination => 'gone2' });
$node->poll_query_until('postgres',
	q{SELECT count(*) = 1 FROM pg_locks l JOIN backup_progress USING (pid) WHERE NOT granted}
) or die 'the leader does not wait';
terminate_caller($session);
$node->poll_query_until('postgres',
	q{SELECT count(*) = 0 FROM backup_progress})
  or die 'the backup is still there';
session_query($blocker, 'COMMIT');
nothing_left($id, 'gone2', 'leader waits for a lock');

# ... and while pg_dump has not connected.
hold_pg_dump($node, 1);
($id, $session) =
  start_in_background($node, 'db', { destination => 'gone3' });
my $pg_dump = wait_held($node);
terminate_caller($session);
poll_perl(sub { !kill(0, $pg_dump) }, 'pg_dump to be ended');
release_pg_dump($node);
nothing_left($id, 'gone3', 'pg_dump has not connected');

# The caller's connection is lost
hold_pg_dump($node, 1);
($id, $session) = start_in_background(
	$node, 'db',
	{ destination => 'gone4' },
	set => [q{client_connection_check_interval = '50ms'}]);
$pg_dump = wait_held($node);
$session->{run}->signal('KILL');
eval { $session->quit };
poll_perl(sub { !kill(0, $pg_dump) }, 'pg_dump to be ended');
release_pg_dump($node);
nothing_left($id, 'gone4', 'connection lost');

# A caller who is slow to look: meanwhile the backup has ended, and another one
# has the slot.
foreach my $slot_taken (0, 1)
{
	my $name =
	  $slot_taken ? 'late caller, slot taken' : 'late caller, slot free';
	hold_pg_dump($node, 1);
	($id, $session) =
	  start_in_background($node, 'db', { destination => "late$slot_taken" });
	wait_held($node);
	my $pid = caller_pid();
	kill 'STOP', $pid or die;
	release_pg_dump($node);
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM backup_history WHERE backup_id = $id AND status = 'completed'"
	) or die;
	my $second;

	if ($slot_taken)
	{
		hold_pg_dump($node, 1);
		(undef, $second) =
		  start_in_background($node, 'db', { destination => 'second' });
		wait_held($node);
	}
	kill 'CONT', $pid or die;
	my $out = $session->query_until(qr/^done$/m, "\\echo done\n");
	like($out, qr/^$id$/m, "$name: gets the id of its own backup");
	is($session->{stderr}, '', "$name: and no error");
	$session->quit;
	release_pg_dump($node);
	$second->quit if $second;
	$node->poll_query_until('postgres',
		q{SELECT count(*) = 0 FROM backup_progress})
	  or die;
}

# The caller's transaction has locked what its own backup must read
foreach my $lock (
	'LOCK TABLE pg_class IN ACCESS EXCLUSIVE MODE',
	'REINDEX INDEX pg_class_oid_index',
	'LOCK TABLE pg_database',
	'REINDEX TABLE pg_opclass',
	'LOCK TABLE pg_extension')
{
	my ($ret, $out, $err) = $node->psql('db',
		"\\set VERBOSITY verbose\nSET statement_timeout = '20s'; BEGIN; $lock; SELECT "
		  . start_sql(destination => 'own')
		  . ';');
	like(
		$err,
		qr/55006: this transaction has .*"pg_\w+" locked exclusively.*HINT/s,
		"$lock: refused");
	is(ls_backups($node) =~ /\bown/, '', "$lock: nothing on disk");
}
# Weaker locks, and any on the tables of users, do no harm.
my $own = new_session($node, 'db');
session_query($own,
	'BEGIN; LOCK TABLE t, v; TRUNCATE u; DROP VIEW v; LOCK TABLE pg_class IN EXCLUSIVE MODE'
);
$id =
  session_query($own, 'SELECT ' . start_sql(destination => 'own', jobs => 1));
is(wait_backup($node, $id),
	'completed', "a caller who has users' tables locked")
  or diag(history($node, $id, 'error'));
session_query($own, 'ROLLBACK');
$own->quit;
restore_ok($node, "$dir/own", 'own', '-e');
same_dump($node, 'own', 'db');

$blocker->quit;
$node->stop;
done_testing();
