
# Files that a transaction drops when it has already been looked at: by what is to be
# done ON COMMIT, or by other libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

# The callbacks of what is loaded first are called last.
my $intruder = build_module('intruder');
my $node = new_node('main',
	conf =>
	  "autovacuum = off\nshared_preload_libraries = '$intruder, backup_bgw'\n"
);
my $n = 0;

# A function's default depends on a temporary table, a partitioned table's key on the
# function, a partition on that table.
my $on_commit = q{
	CREATE TEMPORARY TABLE scratch (i int) ON COMMIT DROP;
	CREATE FUNCTION key(i int, s text DEFAULT NULL::scratch::text) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
	CREATE TABLE parted (i int, t text) PARTITION BY RANGE (key(i, ''));
	ALTER TABLE parted ATTACH PARTITION precious FOR VALUES FROM (1) TO (10000);};

my @cases = (
	{
		name => 'ON COMMIT DROP',
		sql => "BEGIN; $on_commit COMMIT"
	},
	{
		name => 'ON COMMIT DROP, after a look',
		sql => "BEGIN; DROP TABLE other; $on_commit COMMIT"
	},
	{
		name => 'another library',
		sql =>
		  q{BEGIN; SET LOCAL intruder.sql_before_commit = 'DROP TABLE precious'; COMMIT}
	},
	{
		name => 'another library, many tables, after a look',
		sql => q{
			BEGIN;
			DROP TABLE other;
			SET LOCAL intruder.sql_before_commit = 'DROP TABLE precious; DROP SCHEMA many CASCADE';
			COMMIT}
	},
	{
		name => 'another library, prepared',
		sql => q{
			BEGIN;
			SET LOCAL intruder.sql_before_commit = 'DROP TABLE precious';
			PREPARE TRANSACTION 'p'},
		then => q{COMMIT PREPARED 'p'}
	},
	{
		name => 'another library, that fails later',
		sql =>
		  q{BEGIN; SET LOCAL intruder.sql_before_commit = 'DROP TABLE precious; SELECT 1/0'; COMMIT},
		fails => 1
	},
	{
		name => 'unseen',
		sql =>
		  q{BEGIN; SET LOCAL intruder.unlink_before_commit = 'precious'; COMMIT},
		lost => 1
	},
	{
		name => 'unseen, after a look',
		sql =>
		  q{BEGIN; DROP TABLE other; SET LOCAL intruder.unlink_before_commit = 'precious'; COMMIT},
		lost => 1
	},
	{
		name => 'unseen, prepared',
		sql =>
		  q{BEGIN; SET LOCAL intruder.unlink_before_commit = 'precious'; PREPARE TRANSACTION 'p'},
		then => q{COMMIT PREPARED 'p'},
		lost => 1
	});

foreach my $case (@cases)
{
	my ($name, $db) = ($case->{name}, 'db' . ++$n);
	create_db(
		$node, $db,
		sql => q{
		CREATE TABLE precious (i int NOT NULL, t text);
		INSERT INTO precious SELECT i, i::text FROM generate_series(1, 1000) i;
		CREATE TABLE other AS SELECT * FROM precious;
		CREATE SCHEMA many;
		DO $$BEGIN
			FOR i IN 1 .. 20 LOOP EXECUTE format('CREATE TABLE many.t%s AS SELECT %s AS i', i, i); END LOOP;
		END$$});
	my $before = dump_text($node, $db);
	hold_pg_dump($node);
	my $id = start_backup($node, $db, destination => $db);
	my ($ret, $out, $err) =
	  $node->psql($db, "SET client_min_messages = error; $case->{sql}");
	if ($case->{fails})
	{
		like($err, qr/division by zero/, "$name: it fails");
	}
	else
	{
		is($err, '', "$name: the transaction commits");
	}
	$node->safe_psql($db, $case->{then}) if $case->{then};
	is( $node->safe_psql($db, q{SELECT to_regclass('precious') IS NULL}),
		$case->{fails} || $case->{lost} ? 'f' : 't',
		"$name: it has had its effect");
	release_pg_dump($node);

	if ($case->{lost})
	{
		backup_fails(
			$node,
			$id,
			qr/a file of public\.precious was unlinked before the backup had read it/,
			$name);
		next;
	}
	is(wait_backup($node, $id), 'completed', "$name: the backup completes")
	  or diag(history($node, $id, 'error'));
	same_text(archive_text($node, history($node, $id, 'destination')),
		$before, "$name: nothing is missing");
	cmp_ok(history($node, $id, 'files_preserved'),
		'>', 0, "$name: files were preserved");
	no_orphans($node, "$name: nothing is left", $db);
	$node->safe_psql('postgres', "DROP DATABASE $db");
}

# A backup that starts in the middle of such a commit waits for it, and needs
# nothing of what was there before.
create_db($node, 'early',
	sql =>
	  'CREATE TABLE precious AS SELECT 1 AS i; CREATE TABLE other AS SELECT 1 AS i'
);
my $early = new_session($node, 'early');
my $pid = session_query($early, 'SELECT pg_backend_pid()');
append_to_file($node->data_dir . '/intruder.hold', '');
$early->query_until(
	qr/^commit$/m, q{
	\echo commit
	BEGIN;
	DROP TABLE other;
	SET LOCAL intruder.wait_at_log = 'now waiting';
	SET LOCAL intruder.sql_before_commit = 'DROP TABLE precious; DO $$BEGIN RAISE LOG ''now %'', ''waiting''; END$$';
	COMMIT;
});
poll_perl(sub { -e $node->data_dir . '/intruder.held' },
	'the commit to wait');
my ($early_id, $starter) =
  start_in_background($node, 'early', { destination => 'early' });
$node->poll_query_until('postgres',
	q{SELECT count(*) = 1 FROM backup_workers WHERE role = 'leader'})
  or die;
unlink $node->data_dir . '/intruder.hold' or die $!;
$early->quit;
$starter->quit;
is(wait_backup($node, $early_id),
	'completed', 'started in the middle of a commit')
  or diag(history($node, $early_id, 'error'));

$node->stop;
done_testing();
