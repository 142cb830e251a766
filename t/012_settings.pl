
# Settings of databases and roles must not get into a backup: it is the same
# as stock pg_dump makes, byte for byte, whatever they are.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main');
my $user = $node->safe_psql('postgres', 'SELECT current_user');

create_db(
	$node, 'db', sql => q{
	CREATE SCHEMA s;
	CREATE TYPE s.e AS ENUM ('é', 'x');
	CREATE TABLE s.t (ts timestamptz, tsn timestamp, d date, i interval, b bytea, f4 float4, f8 float8, a int[], ta text[], t text,
		rc regclass, e s.e, tz timetz, r tstzrange, c text, j jsonb);
	INSERT INTO s.t VALUES ('2024-02-03 04:05:06.789+00', '2024-02-03 04:05:06', '2024-02-03', '1 year -2 mons 3 days -04:05:06.7', '\x00ff5c41', 0.1, 1/3::float8, '{1,NULL}', '{NULL,"NULL",é}',
		E'é\\\t\n', 's.t', 'é', '04:05:06+05:30', '[2024-02-03,infinity)', repeat('z', 10000), '{"é": 1}');
	CREATE TABLE s.secured (a int); INSERT INTO s.secured VALUES (1), (2);
	ALTER TABLE s.secured ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE TABLE s.big AS SELECT i, repeat('b', 200) AS t FROM generate_series(1, 20000) i;
	CREATE TABLE s.part (a int) PARTITION BY LIST (a); CREATE TABLE s.part_1 PARTITION OF s.part DEFAULT; INSERT INTO s.part VALUES (1);
	CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE VIEW s.v AS SELECT t.a[1] AS x, s.f(1) FROM s.t;
	CREATE OPERATOR s.+ (FUNCTION = int4pl, LEFTARG = int, RIGHTARG = int);
	-- with s before pg_catalog in search_path nobody must run this
	CREATE FUNCTION s.trap(oid, oid) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'an operator of the database was used'; END$$;
	CREATE OPERATOR s.= (FUNCTION = s.trap, LEFTARG = oid, RIGHTARG = oid);});
my $usual = backup_ok($node, 'db', name => 'usual settings');
my $usual_text = archive_text($node, $usual);
data_files_equal($node, 'db', $usual, 'usual settings');

my @settings = (
	q{DateStyle = 'German, DMY'},
	q{IntervalStyle = 'sql_standard'},
	q{TimeZone = 'Asia/Kathmandu'},
	q{bytea_output = 'escape'},
	q{extra_float_digits = -15},
	q{search_path = s, pg_catalog},
	q{array_nulls = off},
	q{standard_conforming_strings = off},
	q{quote_all_identifiers = on},
	q{xmloption = 'document'},
	q{escape_string_warning = off},
	q{row_security = on},
	q{default_transaction_isolation = 'read committed'},
	q{default_transaction_read_only = on},
	q{default_transaction_deferrable = on},
	q{statement_timeout = '1s'},
	q{lock_timeout = '1ms'},
	q{idle_in_transaction_session_timeout = '1s'},
	q{enable_seqscan = off},
	q{synchronize_seqscans = on},
	q{default_toast_compression = 'pglz'},
	q{default_tablespace = ''},
	q{work_mem = '64kB'},
	q{jit = on},
	q{jit_above_cost = 0},
	q{force_parallel_mode = off},
	q{backslash_quote = off},
	q{check_function_bodies = on},
	q{transform_null_equals = on},
	q{lo_compat_privileges = on},
	q{session_replication_role = 'replica'},
	q{track_counts = off});
@settings = grep { !/^force_parallel_mode/ } @settings if major($node) >= 16;
# 19 has one of them no more, and knows one value of the other
@settings =
  grep { !/^(escape_string_warning|standard_conforming_strings)/ } @settings
  if major($node) >= 19;

foreach my $object ('DATABASE db', qq{ROLE "$user"})
{
	$node->safe_psql('postgres',
		join(' ', map { "ALTER $object SET $_;" } @settings));
	my ($datestyle) = $node->safe_psql('db', 'SHOW DateStyle');
	is($datestyle, 'German, DMY', "settings of $object are in force");
	my $id = $node->safe_psql('db',
		'SELECT public.' . start_sql(destination => $object =~ s/\W+/_/gr));
	is(wait_backup($node, $id), 'completed', "with settings of $object")
	  or diag(history($node, $id, 'error'));
	my $part = $node->safe_psql(
		'db',
		'SELECT public.'
		  . start_sql(
			destination => "part-$id",
			include => ['t'],
			exclude => ['s.b*']));
	is(wait_backup($node, $part),
		'completed', "patterns with settings of $object")
	  or diag(history($node, $part, 'error'));
	my $backup = history($node, $id, 'destination');
	data_files_equal($node, 'db', $backup, "settings of $object");
	$node->safe_psql('postgres',
		"SET default_transaction_read_only = off; ALTER $object RESET ALL");
	is($node->safe_psql('db', 'SHOW DateStyle'),
		'ISO, MDY', "settings of $object are reset");
	restore_ok($node, $backup, 'restored', '-e');
	same_dump($node, 'restored', 'db',
		"settings of $object: restored is the same");
	$node->safe_psql('postgres', 'DROP DATABASE restored');
}

# With pg_dump's own encoding the archive is in that encoding, data and all.
foreach my $object ('DATABASE db', qq{ROLE "$user"})
{
	$node->safe_psql('postgres',
		"ALTER $object SET client_encoding = 'LATIN1'");
	my $backup = backup_ok($node, 'db', name => "client_encoding of $object");
	$node->safe_psql('postgres', "ALTER $object RESET ALL");
	restore_ok($node, $backup, 'restored', '-e');
	same_dump($node, 'restored', 'db',
		"client_encoding of $object: restored is the same");
	$node->safe_psql('postgres', 'DROP DATABASE restored');
}

# A lock timeout does not hit the leader.  Workers do not wait for locks at all.
{
	$node->safe_psql('postgres',
		q{ALTER DATABASE db SET lock_timeout = '1ms'});
	hold_pg_dump($node, 1);
	my ($id, $starter) =
	  start_in_background($node, 'db', { destination => 'lock_timeout' });
	wait_held($node);
	my %blockers =
	  map { $_ => new_session($node, 'db') } qw(pg_extension s.big);
	session_query($blockers{$_},
		"BEGIN; LOCK TABLE $_ IN ACCESS EXCLUSIVE MODE")
	  foreach keys %blockers;
	release_pg_dump($node);
	ok( $node->poll_query_until(
			'db',
			q{SELECT count(*) = 1 FROM pg_locks l JOIN backup_workers w USING (pid)
			WHERE w.role = 'leader' AND NOT l.granted AND l.relation = 'pg_extension'::regclass}
		),
		'with a lock timeout: the leader waits');
	$blockers{pg_extension}->quit;
	$starter->quit;
	is(wait_backup($node, $id), 'completed', 'with a lock timeout')
	  or diag(history($node, $id, 'error'));
	$blockers{'s.big'}->quit;
	$node->safe_psql('postgres', 'ALTER DATABASE db RESET ALL');
}

# The environment of the server
{
	$node->stop;
	local $ENV{PGCLIENTENCODING} = 'LATIN1';
	local $ENV{PGOPTIONS} = '-c DateStyle=German';
	local $ENV{PGDATESTYLE} = 'German';
	local $ENV{PGTZ} = 'Asia/Kathmandu';
	local $ENV{PGUSER} = 'no_such_user';
	local $ENV{PGDATABASE} = 'no_such_database';
	local $ENV{PGSERVICE} = 'no_such_service';
	local $ENV{PGSSLMODE} = 'require';
	local $ENV{PGTARGETSESSIONATTRS} = 'standby';
	# pg_ctl itself needs none of them, but its test whether the server is up
	$node->append_conf('postgresql.conf', '');
	system('pg_ctl', '-W', '-s', '-D', $node->data_dir, '-l', $node->logfile,
		'start') == 0
	  or die 'pg_ctl failed';
}
# psql may be gone before it is told what to do
poll_perl(
	sub {
		$node->raw_connect_works
		  && (eval { ($node->psql('postgres', 'SELECT 1'))[0] } // 1) == 0;
	},
	'the server to start') if $node->can('raw_connect_works');
$node->_update_pid(1);
my $backup =
  backup_ok($node, 'db', name => 'environment variables of the server');
same_text(archive_text($node, $backup),
	$usual_text, 'environment variables do no harm');

$node->stop;
done_testing();
