
# Sessions as of S are for roles that are superusers now and were so at S.  What
# was revoked since does not come back, and no role is taken along.

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
	$node, 'roles', sql => q{
	CREATE ROLE steady SUPERUSER LOGIN;
	CREATE ROLE demoted SUPERUSER LOGIN;
	CREATE ROLE midway SUPERUSER LOGIN;
	CREATE ROLE promoted LOGIN;
	CREATE ROLE backup_role LOGIN IN ROLE pg_read_all_data, pg_write_server_files;
	CREATE ROLE plain LOGIN;
	CREATE ROLE granted;
	CREATE ROLE member LOGIN IN ROLE granted;
	CREATE TABLE t (a int);
	INSERT INTO t VALUES (1), (2), (3);
	GRANT SELECT ON t TO plain;
	CREATE FUNCTION with_role() RETURNS text LANGUAGE plpgsql SET role = plain
	  AS $$ BEGIN RETURN (SELECT current_user FROM t LIMIT 1); END $$;
	CREATE FUNCTION definer() RETURNS text LANGUAGE plpgsql SECURITY DEFINER
	  AS $$ BEGIN RETURN (SELECT current_user FROM t LIMIT 1); END $$;
	ALTER FUNCTION definer() OWNER TO plain;});

sub role_session
{
	my ($role) = @_;
	my $session = $node->background_psql(
		'roles',
		on_error_stop => 0,
		extra_params => [ '-U', $role ]);
	$session->set_query_timer_restart;
	session_query($session, '\set VERBOSITY verbose');
	return $session;
}

hold_pg_dump($node);
my $id = start_backup($node, 'roles', destination => 'roles');
wait_held($node);
my $enter =
  "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT 'backup_bgw:$id'";

$node->safe_psql(
	'roles', q{
	ALTER ROLE demoted NOSUPERUSER;
	GRANT pg_read_all_data, pg_write_server_files TO demoted;
	ALTER ROLE promoted SUPERUSER;
	CREATE ROLE made_later SUPERUSER LOGIN;
	REVOKE granted FROM member;
	REVOKE SELECT ON t FROM plain;});

# Who may
my $denied = qr/42501: permission denied to use the snapshot of a backup/;
foreach my $role (qw(demoted promoted made_later backup_role plain))
{
	my $session = role_session($role);
	like(session_error($session, $enter), $denied, "refused: role $role");
	session_query($session, 'ROLLBACK');
	$session->quit;
}
my $session = role_session('steady');
session_query($session, 'SET ROLE backup_role');
like(session_error($session, $enter),
	$denied, 'refused: another role than the superuser that has set it');
session_query($session, 'ROLLBACK; RESET ROLE');
session_query($session, $enter);
is(session_query($session, 'SELECT count(*) FROM t'),
	'3', 'allowed: a superuser, now and at S');

# Rights of S show there, and nowhere else: not after it, in what was cached.
my $rights = q{SELECT pg_has_role('member', 'granted', 'USAGE'),
	has_table_privilege('plain', 't', 'SELECT'), has_schema_privilege('demoted', 'pg_toast', 'CREATE'),
	has_schema_privilege('promoted', 'pg_toast', 'CREATE')};
session_query($session, "PREPARE rights AS $rights");
is(session_query($session, $rights), 't|t|t|f', 'rights as of S');
is(session_query($session, 'EXECUTE rights'),
	't|t|t|f', 'rights as of S, by a prepared statement');
session_query($session, 'COMMIT');
is(session_query($session, $rights), 'f|f|f|t', 'rights after it');
is(session_query($session, 'EXECUTE rights'),
	'f|f|f|t', 'rights after it, by a prepared statement');

# Nobody becomes somebody else, by whatever road, nor leaves anything behind.
my $out = $node->basedir . '/out';
foreach my $sql (
	'SET ROLE plain',
	'SET LOCAL ROLE plain',
	'RESET ROLE',
	'SET SESSION AUTHORIZATION plain',
	'RESET SESSION AUTHORIZATION',
	"SELECT set_config('role', 'demoted', false)",
	"SELECT set_config('role', 'plain', true)",
	"SELECT set_config('session_authorization', 'plain', false)",
	"DO \$\$ BEGIN EXECUTE 'SET ROLE plain'; END \$\$",
	"DO \$\$ DECLARE x text; BEGIN x := set_config('role', 'demoted', false); END \$\$",
	'SELECT with_role()',
	'DISCARD ALL',
	"COPY t TO '$out'",
	"COPY (SELECT 1) TO '$out'",
	"COPY t TO PROGRAM 'touch $out'",
	"COPY (SELECT 1) TO PROGRAM 'touch $out'")
{
	session_query($session, "ROLLBACK; $enter");
	like(
		session_error($session, $sql),
		qr/ERROR:  25(006|001):/,
		"refused as of S: $sql");
	session_query($session, 'COMMIT');
	is(session_query($session, 'SELECT session_user, current_user'),
		'steady|steady', "the session is who it was: $sql");
}
ok(!-e $out, 'no file is written');

session_query($session, $enter);
is(session_query($session, 'SELECT definer(), current_user'),
	'plain|steady', 'SECURITY DEFINER functions run as of S');
session_query($session, 'RESET ALL; COMMIT');
$session->quit;

# Power that is revoked meanwhile ends with the statement.
$session = role_session('midway');
session_query($session,
	"$enter; DECLARE c CURSOR FOR SELECT a FROM t; FETCH 1 FROM c");
$node->safe_psql('roles', 'ALTER ROLE midway NOSUPERUSER');
like(session_error($session, 'FETCH 1 FROM c'),
	$denied, 'revoked meanwhile: a cursor');
session_query($session, 'ROLLBACK');
$node->safe_psql('roles', 'ALTER ROLE midway SUPERUSER');
foreach
  my $sql ('SELECT * FROM t', 'COPY t TO stdout', "SET work_mem = '1MB'")
{
	session_query($session, $enter);
	$node->safe_psql('roles', 'ALTER ROLE midway NOSUPERUSER');
	like(session_error($session, $sql), $denied, "revoked meanwhile: $sql");
	session_query($session, 'ROLLBACK');
	$node->safe_psql('roles', 'ALTER ROLE midway SUPERUSER');
}
session_query($session, "$enter; SELECT 1; COMMIT");
pass('a superuser then and now, whatever was between');
$session->quit;

release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'the backup is completed')
  or diag(history($node, $id, 'error'));

$node->stop;
done_testing();
