
# Slices of a table are of equal work, also if its rows are all in one place, and
# what README says of how they are to be restored.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "autovacuum = off\nwal_log_hints = on\n");
create_db(
	$node, 'db', sql => q{
	CREATE TABLE queue (id int, t text);
	INSERT INTO queue SELECT i, repeat('x', 200) FROM generate_series(1, 30000) i;
	DELETE FROM queue WHERE id <= 27000;
	CREATE TABLE full_of_rows (id int, t text);
	INSERT INTO full_of_rows SELECT i, repeat('x', 200) FROM generate_series(1, 6000) i;
	CREATE TABLE parent (id int PRIMARY KEY, t text);
	INSERT INTO parent SELECT i, repeat('x', 200) FROM generate_series(1, 6000) i;
	CREATE TABLE child (id int REFERENCES parent, t text);
	INSERT INTO child SELECT i, repeat('x', 200) FROM generate_series(1, 6000) i;
	CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not to be fired''; END';
	CREATE TRIGGER stop BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION stop();}
);
$node->safe_psql('db', 'VACUUM');

# The default
is($node->safe_psql('db', 'SHOW backup_bgw.slice_size'),
	'1GB', 'slices are on by default');

my $id = $node->safe_psql('db',
	'SET backup_bgw.slice_size = 16; SELECT '
	  . start_sql(destination => 'sliced', compression => 'none'));
is(wait_backup($node, $id), 'completed', 'completed')
  or diag(history($node, $id, 'error'));
my $archive = history($node, $id, 'destination');
my $files = data_files($node, $archive);

# Returns the number of files of a table, and the greatest share of its rows that
# one has.
sub greatest_share
{
	my ($table) = @_;
	my ($key) = grep { / public $table / } keys %$files;
	my $n = @{ $files->{$key} };
	my ($first) = $files->{$key}[0] =~ /^(\d+)/;
	my @sizes = map { -s "$archive/$_.dat" } $first,
	  map { "${first}_$_" } 2 .. $n;
	my ($sum, $max) = (0, 0);
	foreach (@sizes)
	{
		$sum += $_;
		$max = $_ if $_ > $max;
	}
	return ($n, $max / $sum);
}
foreach my $case ([ 'queue', 0.08 ], [ 'full_of_rows', 0.12 ])
{
	my ($table, $limit) = @$case;
	my ($n, $share) = greatest_share($table);
	cmp_ok($n, '>', 10, "$table: there are many slices");
	cmp_ok($share, '<', $limit, "$table: none has most of the rows");
}

# A lock that others have does not keep a table from being cut.
my $blocker = new_session($node, 'db');
session_query($blocker, 'BEGIN; LOCK TABLE queue IN ACCESS EXCLUSIVE MODE');
my $locked = $node->safe_psql('db',
	'SET backup_bgw.slice_size = 16; SELECT '
	  . start_sql(destination => 'locked'));
is(wait_backup($node, $locked), 'completed', 'a table is locked: completed')
  or diag(history($node, $locked, 'error'));
$blocker->quit;
is( scalar(
		map { @$_ }
		  values %{ data_files($node, history($node, $locked, 'destination'))
		  }),
	scalar(map { @$_ } values %$files),
	'a table is locked: as many slices');

# Nor need it be bigger than slice_size, if there is nothing else to do for the
# other jobs; values out of line count.
$node->safe_psql(
	'db', q{
	CREATE UNLOGGED TABLE most (id int, t text);
	ALTER TABLE most ALTER t SET STORAGE external;
	INSERT INTO most SELECT i, repeat('x', 100000) FROM generate_series(1, 4400) i}
);
foreach my $case ([ 1, '1GB', 1 ], [ 2, '1GB', 8 ], [ 2, '0', 1 ])
{
	my ($jobs, $slice_size, $expected) = @$case;
	my $most = $node->safe_psql('db',
		"SET backup_bgw.slice_size = '$slice_size'; SELECT "
		  . start_sql(destination => "most-$jobs-$slice_size", jobs => $jobs)
	);
	is(wait_backup($node, $most), 'completed', "jobs $jobs: completed")
	  or diag(history($node, $most, 'error'));
	my $of = data_files($node, history($node, $most, 'destination'));
	my ($key) = grep { / public most / } keys %$of;
	is(scalar @{ $of->{$key} },
		$expected, "jobs $jobs, slice_size $slice_size: files of one table");
	is( (grep { @$_ > 1 } values %$of) + 0,
		$expected > 1 ? 1 : 0,
		"jobs $jobs: no other table is cut");
}
$node->safe_psql('db', 'DROP TABLE most');

# Rows only, by several jobs, and no trigger fires.
create_db($node, 'rows', bare => 1);
restore_ok($node, $archive, 'rows', '-e', '--schema-only');
{
	local $ENV{PGOPTIONS} = '-c session_replication_role=replica';
	restore_ok($node, $archive, 'rows', '-e', '--data-only', '-j', '4');
}
my $check =
  'SELECT count(*), sum(id) FROM queue UNION ALL SELECT count(*), sum(id) FROM parent UNION ALL SELECT count(*), sum(id) FROM child';
is( $node->safe_psql('rows', $check),
	$node->safe_psql('db', $check),
	'--data-only -j with session_replication_role: all rows');

# A table that exists already is left alone if the list says so.
create_db(
	$node, 'exists',
	bare => 1,
	sql => 'CREATE TABLE queue (id int, t text); INSERT INTO queue VALUES (1)'
);
my $list = $node->basedir . '/list';
append_to_file($list, "$_\n")
  foreach grep { !/ TABLE (DATA )?public queue / } toc_list($node, $archive);
restore_ok($node, $archive, 'exists', '-e', '-j', '4', '-L', $list);
is( $node->safe_psql('exists', $check),
	$node->safe_psql('db', $check) =~ s/^.*\n/1|1\n/r,
	'a table that is not in the list is left alone, others have all rows');

# The free space map of an unlogged table that was looked at is not taken for
# that of another one: nothing of it is in the WAL.
$node->safe_psql(
	'db', q{
	CREATE UNLOGGED TABLE unlogged (id int, t text);
	INSERT INTO unlogged SELECT i, repeat('x', 200) FROM generate_series(1, 6000) i;
	DELETE FROM unlogged WHERE id <= 3000});
$node->safe_psql('db', 'VACUUM unlogged');
$node->restart;
$id = $node->safe_psql('db',
	'SET backup_bgw.slice_size = 16; SELECT '
	  . start_sql(destination => 'unlogged', include => ['unlogged']));
is(wait_backup($node, $id), 'completed', 'an unlogged table');
$node->safe_psql('db', 'CHECKPOINT');
my $from =
  $node->safe_psql('db', 'SELECT redo_lsn FROM pg_control_checkpoint()');
$node->safe_psql('db', 'DELETE FROM unlogged');
$node->safe_psql('db', 'VACUUM (TRUNCATE off) unlogged');
# which also writes all of the WAL
$node->safe_psql('db', 'CHECKPOINT');
my ($file, $to) = split /\|/,
  $node->safe_psql('db',
	q{SELECT pg_relation_filenode('unlogged'), pg_current_wal_flush_lsn()});
my $wal = $node->data_dir . '/pg_wal';
my ($out, $err) =
  run_command([ 'pg_waldump', '-p', $wal, '-s', $from, '-e', $to ]);
like($out, qr/rmgr: Transaction/, 'the WAL can be read');
unlike($out, qr/\/$file\b/, 'nothing of it is in the WAL');

$node->stop;
done_testing();
