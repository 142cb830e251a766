
# Which preserved files a sweep may unlink: those of transactions that are known to
# have committed, and that no relation uses.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "autovacuum = off\n");
create_db($node, 'db');
my $n = 0;

# Tables that are renamed all the time, so that a scan of pg_class may meet no version
# of a row that is alive when the scan is there: each is dead before, and the next one
# is behind.  Their truncation is rolled back after the backup; they must stay.
# (ALTER TABLE does the same as the UPDATE, but takes longer.)  There must be many
# dead versions, for the scan to take its time.
my @busy = map { "busy_$_" } 1 .. 10;
$node->safe_psql(
	'db',
	join(
		';',
		(   map {
				"CREATE TABLE $_ AS SELECT i FROM generate_series(1, 1000) i"
			} @busy),
		q{
		CREATE TABLE go_on ();
		CREATE PROCEDURE rename(n int) LANGUAGE plpgsql AS $$
		DECLARE
			oids oid[] := array(SELECT oid FROM pg_class WHERE relname LIKE 'busy\_%');
		BEGIN
			FOR i IN 1 .. n LOOP
				UPDATE pg_class SET relname = translate(relname, 'busy', 'ysub') WHERE oid = ANY (oids);
				COMMIT;
				EXIT WHEN i % 2 = 0 AND to_regclass('go_on') IS NULL;
			END LOOP;
		END $$}));
hold_pg_dump($node);
my $id = start_backup($node, 'db', destination => 'renamed-' . ++$n);
$node->safe_psql('db',
	'BEGIN; TRUNCATE ' . join(', ', @busy) . q{; PREPARE TRANSACTION 'p'});
release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'renamed: a backup completes');
my $storm = new_session($node, 'db');
session_query($storm,
	'SET synchronous_commit = off; SET allow_system_table_mods = on');
$node->safe_psql('db', q{ROLLBACK PREPARED 'p'});
my $holder = new_session($node, 'db');
session_query($holder, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
session_query($storm, 'CALL rename(400)');
$holder->quit;
$storm->query_until(qr/^renaming$/m,
	"\\echo renaming\nCALL rename(100000000);\n");
my $renames = $node->safe_psql('db', 'SELECT pg_current_xact_id()');
$node->poll_query_until('db',
	"SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint > $renames + 100"
) or die 'nothing is renamed';
backup_ok($node, 'db', name => 'renamed: the next one, which sweeps');
$node->safe_psql('db', 'DROP TABLE go_on');
$storm->quit;
is( $node->safe_psql(
		'db',
		'SELECT sum(n) FROM ('
		  . join(' UNION ALL ', map { "SELECT count(*) AS n FROM $_" } @busy)
		  . ') x'),
	'10000',
	'renamed: the tables have their rows');
no_orphans($node, 'renamed: and their files', 'db');

$node->stop;
done_testing();
