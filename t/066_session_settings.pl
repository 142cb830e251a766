
# What an administrator has set for a role or a database must neither end
# pg_dump's session nor the workers, nor change what they see; and when pg_dump
# cannot connect, the hint is about the cause.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "superuser_reserved_connections = 1\n");
my $user = $node->safe_psql('postgres', 'SELECT current_user');
create_db(
	$node, 'db', sql => q{
	CREATE ROLE weak;
	CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i;
	REVOKE ALL ON t FROM PUBLIC;
	CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
	SELECT lo_from_bytea(0, 'x') FROM generate_series(1, 20);});
my $usual = archive_text($node, backup_ok($node, 'db'));

# In the session of the caller they are not in force.
local $ENV{PGOPTIONS} =
  '-c role=none -c idle_session_timeout=0 -c log_statement=none -c temp_file_limit=-1';
$ENV{PGOPTIONS} .= ' -c event_triggers=off -c transaction_timeout=0'
  if major($node) >= 17;

foreach my $setting (
	q{role = 'weak'},
	q{idle_session_timeout = '1ms'},
	q{temp_file_limit = '0'},
	q{log_statement = 'all'},
	q{log_min_duration_statement = 0},
	q{log_min_error_statement = 'info'},
	q{lc_messages = 'C.UTF-8'},
	(major($node) >= 17 ? (q{transaction_timeout = '1ms'}) : ()))
{
	foreach my $object (
		'DATABASE db',
		qq{ROLE "$user"},
		qq{ROLE "$user" IN DATABASE db})
	{
		my $name = "$setting of $object";
		# so little that sorting takes files
		$node->safe_psql('postgres',
			"ALTER $object SET $setting; ALTER $object SET work_mem = '64kB'"
		);
		my $offset = -s $node->logfile;
		my $backup = backup_ok($node, 'db', name => $name);
		same_text(archive_text($node, $backup), $usual, "$name: same backup");
		unlike(
			slurp_file($node->logfile, $offset),
			qr/SET TRANSACTION SNAPSHOT/,
			"$name: the name of the snapshot is not in the log");
		$node->safe_psql('postgres', "ALTER $object RESET ALL");
	}
}

# The reason why a backup cannot be made is told to the caller, not only to the
# log.
$node->safe_psql('postgres', 'ALTER DATABASE db SET exit_on_error = on');
{
	local $ENV{PGOPTIONS} = "$ENV{PGOPTIONS} -c exit_on_error=off";
	start_fails(
		$node,
		'db',
		{ destination => 'none', include => ['nosuch'] },
		'42P01',
		qr/no relation matches pattern "nosuch"|nosuch/,
		'exit_on_error of the database');
}
$node->safe_psql('postgres', 'ALTER DATABASE db RESET ALL');

# Since 17 a trigger may do anything, or refuse, when somebody connects.
SKIP:
{
	skip 'no login triggers before 17', 2 if major($node) < 17;
	$node->safe_psql(
		'db', q{
		CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'not today'; END$$;
		CREATE EVENT TRIGGER refuse ON login EXECUTE FUNCTION refuse();
		ALTER EVENT TRIGGER refuse ENABLE ALWAYS;});
	like(
		archive_text($node, backup_ok($node, 'db', name => 'login trigger')),
		qr/CREATE EVENT TRIGGER refuse/,
		'login trigger: in the backup');
	$node->safe_psql('db',
		'DROP EVENT TRIGGER refuse; DROP FUNCTION refuse()');
}

# No connection is left for pg_dump.
{
	my @sessions = (new_session($node, 'db'));
	session_query($sessions[0], 'SELECT 1');
	hold_pg_dump($node, 1);
	$sessions[0]->query_until(qr/^calling$/m,
			"\\set VERBOSITY verbose\n\\echo calling\nSELECT "
		  . start_sql(destination => 'crowd')
		  . ";\n\\echo returned\n");
	wait_held($node);
	while (@sessions < 60)
	{
		my $session = eval { new_session($node, 'postgres') };
		last unless $session;
		push @sessions, $session;
	}
	release_pg_dump($node);
	$sessions[0]->query_until(qr/^returned$/m, '');
	my $err = $sessions[0]->{stderr};
	like(
		$err,
		qr/53300: pg_dump could not connect.*too many clients already.*HINT:.*max_connections/s,
		'too many clients');
	unlike($err, qr/password/, 'too many clients: passwords do not matter');
	$_->quit foreach @sessions;
}

$node->stop;
done_testing();
