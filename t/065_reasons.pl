
# Why a backup ended, and who may know.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main');
my $sql =
  q{CREATE TABLE big AS SELECT i, repeat('x', 1000) AS t FROM generate_series(1, 3000) i};
create_db($node, 'db', sql => $sql);
$node->safe_psql(
	'db', q{
	CREATE ROLE starter IN ROLE pg_read_all_data, pg_write_server_files;
	CREATE ROLE other IN ROLE pg_read_all_data, pg_write_server_files;
	CREATE ROLE monitor IN ROLE pg_read_all_stats;
	CREATE ROLE boss SUPERUSER LOGIN;});
my $n = 0;

# A backup that copies, and would for minutes
sub start_slow
{
	my ($db, $role) = @_;
	my $id = $node->safe_psql($db,
			($role ? "SET ROLE $role; " : '')
		  . 'SELECT '
		  . start_sql(destination => 'slow-' . ++$n, max_rate => '10kB'));
	$node->poll_query_until('postgres',
		"SELECT phase = 'copying' FROM backup_progress WHERE backup_id = $id")
	  or die 'the backup does not copy';
	return $id;
}

sub ended
{
	my ($id, $status, $error, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(wait_backup($node, $id), $status, "$name: $status");
	like(history($node, $id, 'error'), $error, "$name: error");
	return;
}

# Who cancelled it
my $id = start_slow('db');
$node->safe_psql('postgres', "SET ROLE boss; SELECT cancel_backup($id)");
ended(
	$id,
	'cancelled',
	qr/^the backup was cancelled\nDETAIL:  By role "boss", in the process with PID \d+\.$/,
	'cancel_backup()');
$id = start_slow('db');
$node->safe_psql('postgres',
	'SELECT pg_cancel_backend(' . progress($node, $id, 'pid') . ')');
ended(
	$id,
	'cancelled',
	qr/^the backup was cancelled\nDETAIL:  By a signal to one of its processes, such as that of pg_cancel_backend\(\)\.$/,
	'pg_cancel_backend()');

# Who may cancel it: a superuser's stays one when he no longer is one.
$node->safe_psql('db',
	'CREATE ROLE signaller IN ROLE pg_signal_backend, pg_read_all_stats');
$id = start_slow('db', 'boss');
$node->safe_psql('db', 'ALTER ROLE boss NOSUPERUSER');
foreach my $role (qw(signaller monitor))
{
	my ($rc, $out, $err) =
	  $node->psql('db', "SET ROLE $role; SELECT cancel_backup($id)");
	like(
		$err,
		qr/ERROR:  permission denied to cancel backup $id/,
		"$role cannot cancel a former superuser's backup");
}
$node->safe_psql('postgres', "SET ROLE boss; SELECT cancel_backup($id)");
ended($id, 'cancelled', qr/^the backup was cancelled\n/,
	'but he himself can');
$node->safe_psql('db', 'ALTER ROLE boss SUPERUSER');

# Who ended it
$id = start_slow('db');
$node->safe_psql('postgres',
	'SELECT pg_terminate_backend(' . progress($node, $id, 'pid') . ')');
ended(
	$id,
	'failed',
	qr/^the leader of the backup was terminated\nDETAIL:  By a signal, such as that of pg_terminate_backend\(\)\.$/m,
	'pg_terminate_backend()');
create_db($node, 'doomed', sql => $sql);
$id = start_slow('doomed');
$node->safe_psql('postgres', 'DROP DATABASE doomed WITH (FORCE)');
ended(
	$id, 'failed',
	qr/^database "doomed" was dropped with FORCE\b/,
	'DROP DATABASE');

# The end of the server
foreach my $mode (qw(smart fast immediate))
{
	$id = start_slow('db');
	$node->stop($mode);
	$node->start;
	ended(
		$id,
		'failed',
		$mode eq 'immediate'
		? qr/^the server stopped or crashed during the backup$/
		: qr/^the server was shut down\b/,
		"$mode shutdown");
}
# with pg_dump
foreach my $mode (qw(fast))
{
	my $session = new_session($node, 'db');
	session_query($session,
		'BEGIN; LOCK TABLE pg_subscription IN ACCESS EXCLUSIVE MODE');
	$id = start_backup($node, 'db', destination => "schema-$mode");
	$node->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_locks l JOIN backup_workers w USING (pid) WHERE NOT granted}
	) or die 'pg_dump does not wait';
	$node->stop($mode);
	$node->start;
	ended(
		$id, 'failed',
		qr/^the server was shut down\b/,
		"$mode shutdown while pg_dump runs");
	eval { $session->quit };
}

# Who may know
foreach my $running (1, 0)
{
	my $when = $running ? 'running' : 'ended';
	$id = start_slow('db', 'starter') if $running;
	foreach my $role (qw(starter other monitor boss))
	{
		my $may = $role ne 'other';
		my ($ret, $out, $err) = $node->psql('postgres',
			"\\set VERBOSITY verbose\nSET ROLE $role; SELECT wait_backup($id, '0');"
		);
		if ($may)
		{
			is( $out,
				$running ? 'running' : 'cancelled',
				"$when: wait_backup() by $role");
		}
		else
		{
			like(
				$err,
				qr/42704: backup $id does not exist/,
				"$when: no wait_backup() by $role");
		}
		is( $node->safe_psql(
				'postgres',
				"SET ROLE $role; SELECT count(*) FROM (SELECT backup_id FROM backup_progress UNION ALL SELECT backup_id FROM backup_history) b WHERE backup_id = $id"
			),
			$may ? '1' : '0',
			"$when: the same in the views");
	}
	$node->safe_psql('postgres', "SELECT cancel_backup($id)");
	wait_backup($node, $id);
}

$node->stop;
done_testing();
