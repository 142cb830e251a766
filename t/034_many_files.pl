
# Transactions that unlink so many files that these are taken off the server's list all
# at once: no more and no less than those that the backup needs.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node =
  new_node('main',
	conf => "autovacuum = off\nmax_locks_per_transaction = 200\n");
my $n = 0;
my @cases = (
	{
		name => 'dropped',
		sql => 'DROP SCHEMA many CASCADE'
	},
	{
		name => 'truncated',
		sql =>
		  q{DO $$BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg(oid::regclass::text, ', ') FROM pg_class
			WHERE relkind = 'r' AND relnamespace = 'many'::regnamespace); END$$}
	},
	{
		name => 'dropped, in parts and among others',
		sql => q{
			BEGIN;
			CREATE TEMPORARY TABLE temporary (id int PRIMARY KEY, t text);
			CREATE TABLE created (id int PRIMARY KEY, t text);
			DROP TABLE many.t_1;
			TRUNCATE many.t_2;
			SAVEPOINT a;
			DROP TABLE many.t_3, many.t_4;
			CREATE TABLE withdrawn (id int PRIMARY KEY, t text);
			ROLLBACK TO a;
			DROP TABLE temporary;
			CREATE TEMPORARY TABLE temporary (id int PRIMARY KEY, t text) ON COMMIT DROP;
			SAVEPOINT b;
			DROP TABLE created;
			DROP SCHEMA many CASCADE;
			RELEASE b;
			CREATE TABLE created AS SELECT 1 AS one;
			COMMIT},
	},
	{
		name => 'dropped, and prepared',
		sql =>
		  q{BEGIN; DROP SCHEMA many CASCADE; CREATE TABLE created AS SELECT 1 AS one; PREPARE TRANSACTION 'p'},
		then => q{COMMIT PREPARED 'p'}
	},
	{
		name => 'dropped, but rolled back',
		sql =>
		  q{BEGIN; DROP SCHEMA many CASCADE; CREATE TABLE created AS SELECT 1 AS one; PREPARE TRANSACTION 'p'},
		then => q{ROLLBACK PREPARED 'p'}
	});

foreach my $case (@cases)
{
	my ($name, $db) = ($case->{name}, 'db' . ++$n);
	create_db(
		$node, $db,
		sql => q{
		CREATE SCHEMA many;
		DO $$BEGIN
			FOR i IN 1 .. 120 LOOP
				EXECUTE format('CREATE TABLE many.t_%s (id int PRIMARY KEY, t text)', i);
				EXECUTE format('INSERT INTO many.t_%s VALUES (%s, %L)', i, i, repeat('x', i));
			END LOOP;
		END$$});
	my $before = dump_text($node, $db);
	hold_pg_dump($node);
	my $id = start_backup($node, $db, destination => $db);
	$node->safe_psql($db, "SET client_min_messages = warning; $case->{sql}");
	is(progress($node, $id, 'files_preserved'),
		120 * 3,
		"$name: tables, TOAST tables and their indexes are preserved");
	$node->safe_psql($db, $case->{then}) if $case->{then};
	my $after = dump_text($node, $db);
	release_pg_dump($node);
	is(wait_backup($node, $id), 'completed', "$name: the backup completes")
	  or diag(history($node, $id, 'error'));
	same_text(archive_text($node, history($node, $id, 'destination')),
		$before, "$name: nothing is missing");
	same_text(dump_text($node, $db),
		$after, "$name: the database is as the transaction left it");
	no_orphans($node, "$name: no file is too many, none is missing", $db);
	$node->restart;
	same_text(dump_text($node, $db), $after, "$name: also after a restart");
}

$node->stop;
done_testing();
