
# A backup, or a session as of its snapshot, prunes no page of the tables that it
# reads and marks none as all-visible, though any other reader would: what it
# reads of may be there for its sake alone.  So it writes no WAL for those files.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my ($version) = `pg_config --version` =~ /(\d+)/;
# with checksums, hints are logged
my $node = new_node(
	'main',
	extra => $version >= 18 ? ['--no-data-checksums'] : [],
	conf => "autovacuum = off\nwal_log_hints = off\n");

# Full pages with rows that nobody sees any more, in heap and TOAST.
my $table =
  q{CREATE TABLE %1$s (id int, v text, w text) WITH (autovacuum_enabled = off);
	ALTER TABLE %1$s ALTER w SET STORAGE external;
	INSERT INTO %1$s SELECT i, repeat('v', 200), repeat(md5(i::text), 100) FROM generate_series(1, 400) i;
	DELETE FROM %1$s WHERE id %% 2 = 0;};
my @tables = qw(preserved live like_catalog other);
create_db($node, 'db',
		sql => 'CREATE EXTENSION pg_walinspect;'
	  . join('', map { sprintf $table, $_ } @tables)
	  . 'ALTER TABLE like_catalog SET (user_catalog_table = true)');

# { name => numbers of its files }
my %files;
foreach my $name (@tables)
{
	$files{$name} = $node->safe_psql(
		'db', qq{
		WITH t AS (SELECT reltoastrelid AS toast FROM pg_class WHERE oid = '$name'::regclass)
		SELECT string_agg(relfilenode::text, '|' ORDER BY oid) FROM pg_class, t
		WHERE oid IN ('$name'::regclass, toast) OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = toast)}
	);
}

sub lsn
{
	return $node->safe_psql('db', 'SELECT pg_current_wal_insert_lsn()');
}

# What has been logged about the files of a table since then, by kind.
sub logged
{
	my ($since, $name) = @_;
	# flushed, and not where $since was
	$node->safe_psql('db', 'CREATE TABLE flushed ()');
	my $end = $node->safe_psql('db',
		'DROP TABLE flushed; SELECT pg_current_wal_flush_lsn()');
	return $node->safe_psql(
		'db', qq{
		SELECT string_agg(DISTINCT resource_manager || ' ' || record_type, ', ')
		FROM pg_get_wal_records_info('$since', '$end')
		WHERE block_ref ~ '/($files{$name})[ ;]'});
}

hold_pg_dump($node);
my $id = start_backup($node, 'db', destination => 'backup');
wait_held($node);
$node->safe_psql('db', 'TRUNCATE preserved');
my $since = lsn();

my $session = new_session($node, 'db');
session_query($session,
	"BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT 'backup_bgw:$id'"
);
foreach my $name (qw(preserved live like_catalog))
{
	is(session_query($session, "SELECT count(*), sum(id) FROM $name"),
		'200|40000', "a session as of S reads $name");
	is(logged($since, $name), '',
		"a session as of S writes nothing to $name");
}
session_query($session, 'COMMIT');
$session->quit;

release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'the backup is completed')
  or diag(history($node, $id, 'error'));
foreach my $name (qw(preserved live like_catalog))
{
	my $archive = history($node, $id, 'destination');
	my @rows = archive_text($node, $archive, '-t', $name) =~ /^\d+\tv+\t/mg;
	is(scalar @rows, 200, "the backup has the rows of $name");
	is(logged($since, $name), '', "the backup writes nothing to $name");
}

# Such a table is one that another reader does write to.
$since = lsn();
$node->safe_psql('db',
	'SET max_parallel_workers_per_gather = 0; SELECT sum(length(v)), sum(length(w || v)) FROM other'
);
like(
	logged($since, 'other'),
	qr/Heap2 PRUNE/,
	'an ordinary session prunes other');

$node->stop;
done_testing();
