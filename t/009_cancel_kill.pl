
# Backups that are cancelled, killed, or lose their server.

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
	$node, 'db', sql => q{
	CREATE TABLE big (id int, t text);
	ALTER TABLE big ALTER t SET STORAGE external;
	INSERT INTO big SELECT i, repeat(md5(i::text), 100) FROM generate_series(1, 1000) i;
	CREATE TABLE big2 AS SELECT * FROM big;
	CREATE TABLE small AS SELECT 1 AS a;
	CREATE VIEW v AS SELECT 1 AS a;
	CREATE ROLE starter IN ROLE pg_read_all_data, pg_write_server_files;
	CREATE ROLE colleague IN ROLE pg_read_all_data, pg_write_server_files;
	CREATE ROLE signaller IN ROLE pg_signal_backend;});

my $n = 0;
my $role = '';

# A backup that copies, and would for minutes.
sub start_slow
{
	my (%args) = @_;
	my $id = $node->safe_psql(
		'db',
		$role
		  . 'SELECT '
		  . start_sql(
			destination => 'slow-' . ++$n,
			max_rate => '10kB',
			jobs => 2,
			%args));
	$node->poll_query_until(
		'postgres',
		qq{SELECT count(*) > 0 FROM backup_workers w JOIN backup_progress p USING (backup_id)
		WHERE phase = 'copying' AND w.role = 'worker' AND w.relation IS NOT NULL AND backup_id = $id}
	) or die 'the backup does not copy';
	return $id;
}

sub pid_of
{
	my ($id, $role) = @_;
	return $node->safe_psql('postgres',
		"SELECT min(pid) FROM backup_workers WHERE backup_id = $id AND role = '$role'"
	);
}

# How it must have ended
sub ended
{
	my ($id, $status, $error, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(wait_backup($node, $id), $status, "$name: $status");
	is(history($node, $id, 'status'), $status, "$name: in the history");
	like(history($node, $id, 'error'), $error, "$name: error");
	is(history($node, $id, 'finished_at >= started_at'),
		't', "$name: has an end");
	is(progress($node, $id, 'count(*)'),
		'0', "$name: no longer in backup_progress");
	my $destination = history($node, $id, 'destination');
	ok(!-e $destination, "$name: no destination");
	ok(!-e "$destination.partial", "$name: no unfinished files");
	ok( $node->poll_query_until(
			'postgres', q{SELECT count(*) = 0 FROM pg_stat_activity
			WHERE backend_type LIKE 'backup_bgw%' OR application_name LIKE 'backup_bgw%'}
		),
		"$name: all its processes are gone");
	return;
}

# A session that holds up pg_dump in the middle of its work
sub block_pg_dump
{
	my $session = new_session($node, 'db');
	session_query($session,
		'BEGIN; LOCK TABLE pg_subscription IN ACCESS EXCLUSIVE MODE');
	my $id = start_backup($node, 'db', destination => 'slow-' . ++$n);
	$node->poll_query_until(
		'postgres',
		q{SELECT count(*) = 1 FROM pg_locks l JOIN backup_workers w USING (pid)
		WHERE w.role = 'pg_dump' AND NOT l.granted}) or die 'pg_dump does not wait';
	return ($session, $id);
}

# cancel_backup()
my $id = start_slow();
is($node->safe_psql('postgres', "SELECT wait_backup($id, '0')"),
	'running', 'wait_backup with a timeout');
is($node->safe_psql('postgres', "SELECT wait_backup($id, '50 ms')"),
	'running', 'wait_backup with another timeout');
is($node->safe_psql('postgres', "SELECT cancel_backup($id)"),
	't', 'cancel_backup, from another database');
ended($id, 'cancelled', qr/^$|cancel/, 'cancelled while copying');
is($node->safe_psql('postgres', "SELECT cancel_backup($id)"),
	'f', 'cancel_backup of an ended one');

my $session;
($session, $id) = block_pg_dump();
is($node->safe_psql('postgres', "SELECT cancel_backup($id)"),
	't', 'cancel_backup in phase schema');
ended($id, 'cancelled', qr/^$|cancel/, 'cancelled in phase schema');
session_query($session, 'COMMIT');

hold_pg_dump($node);
$id = start_backup($node, 'db', destination => 'held');
my $pg_dump = wait_held($node);
is(kill(0, $pg_dump), 1, 'pg_dump runs');
is($node->safe_psql('postgres', "SELECT cancel_backup($id)"),
	't', 'cancel_backup while pg_dump is held');
ended($id, 'cancelled', qr/^$|cancel/,
	'cancelled at the end of phase schema');
is(kill(0, $pg_dump), 0, 'pg_dump was ended, too');
release_pg_dump($node);

# who may
$role = 'SET ROLE starter; ';
$id = start_slow();
foreach my $who (qw(colleague signaller starter))
{
	my ($ret, $out, $err) = $node->psql('db',
		"\\set VERBOSITY verbose\nSET ROLE $who; SELECT cancel_backup($id);");
	if ($who eq 'colleague')
	{
		like(
			$err,
			qr/42501: permission denied to cancel backup $id/,
			'another role may not cancel it');
		is(progress($node, $id, 'phase'), 'copying', 'and it goes on');
	}
	else
	{
		is($out, $who eq 'signaller' ? 't' : $out, "$who may cancel it");
		is($err, '', "$who may cancel it: no error");
	}
}
ended($id, 'cancelled', qr/^$|cancel/, 'cancelled by pg_signal_backend');
$role = '';
$id = start_slow();
my ($ret, $out, $err) =
  $node->psql('db', "SET ROLE signaller; SELECT cancel_backup($id);");
like(
	$err,
	qr/permission denied to cancel backup/,
	"pg_signal_backend may not cancel a superuser's");
is($node->safe_psql('postgres', "SELECT cancel_backup($id)"),
	't', 'the superuser may');
ended($id, 'cancelled', qr/^$|cancel/, 'cancelled by a superuser');

# Interrupting the waiting session does nothing to the backup.
$id = start_slow();
($ret, $out, $err) = $node->psql('db',
	"SET statement_timeout = '100ms'; SELECT wait_backup($id);");
like(
	$err,
	qr/canceling statement due to statement timeout/,
	'wait_backup can be interrupted');
is(progress($node, $id, 'phase'), 'copying', 'the backup goes on');

# pg_terminate_backend
foreach my $target (qw(leader worker))
{
	$id = start_slow()
	  unless defined $id && progress($node, $id, 'count(*)') eq '1';
	is( $node->safe_psql(
			'postgres',
			'SELECT pg_terminate_backend(' . pid_of($id, $target) . ')'),
		't',
		"terminate the $target");
	ended($id, 'failed', qr/terminat/, "$target terminated");
}
($session, $id) = block_pg_dump();
is( $node->safe_psql(
		'postgres',
		'SELECT pg_terminate_backend(' . pid_of($id, 'pg_dump') . ')'),
	't',
	"terminate pg_dump's session");
ended($id, 'failed', qr/pg_dump/, "pg_dump's session terminated");
session_query($session, 'COMMIT');
$session->quit;

$id = start_backup($node, 'db', destination => 'again');
is(wait_backup($node, $id), 'completed', 'a backup works after all that')
  or diag(history($node, $id, 'error'));

# Stop and restart of the server in the middle
foreach my $mode (qw(fast immediate))
{
	$id = start_slow();
	my $destination = progress($node, $id, 'destination');
	$node->stop($mode);
	ok(!-e $destination, "server stopped ($mode): no destination");
	ok(!-e "$destination.partial",
		'server stopped (fast): no unfinished files')
	  if $mode eq 'fast';
	$node->start;
	is(wait_backup($node, $id), 'failed', "server stopped ($mode): failed");
	is(history($node, $id, 'status'),
		'failed', "server stopped ($mode): in the history");
	isnt(history($node, $id, 'error'),
		'', "server stopped ($mode): with an error");
	is(progress($node, $id, 'count(*)'),
		'0', "server stopped ($mode): not in backup_progress");
	ok(!-e $destination,
		"server stopped ($mode): no destination after the start");
	my $new = start_backup($node, 'db', destination => "after-$mode");
	cmp_ok($new, '>', $id, "server stopped ($mode): ids go on");
	is(wait_backup($node, $new),
		'completed', "server stopped ($mode): a new backup works")
	  or diag(history($node, $new, 'error'));
}

# kill -9 of a worker, and of the leader
$node->safe_psql('postgres', 'ALTER SYSTEM SET restart_after_crash = on');
$node->reload;
foreach my $target (qw(worker leader))
{
	$id = start_slow();
	my $destination = progress($node, $id, 'destination');
	my $pid = pid_of($id, $target);
	my $offset = -s $node->logfile;
	ok($pid > 1 && kill('KILL', $pid), "kill -9 of a $target");
	$node->wait_for_log(qr/database system is ready to accept connections/,
		$offset);
	$node->poll_query_until('postgres', 'SELECT true')
	  or die 'the server did not come back';
	is(wait_backup($node, $id), 'failed', "$target killed: failed");
	isnt(history($node, $id, 'error'), '', "$target killed: with an error");
	is(progress($node, $id, 'count(*)'),
		'0', "$target killed: not in backup_progress");
	ok(!-e $destination, "$target killed: no destination");
	my $new = start_backup($node, 'db', destination => "after-kill-$target");
	is(wait_backup($node, $new),
		'completed', "$target killed: a new backup works")
	  or diag(history($node, $new, 'error'));
	$node->command_ok(
		[ verify_command($node, history($node, $new, 'destination')) ],
		"$target killed: and verifies");
}

$node->stop;
done_testing();
