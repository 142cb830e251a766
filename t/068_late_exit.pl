
# A process of a backup that ends late, when the next backup has its slot.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $intruder = build_module('intruder');
my $node = new_node(
	'main',
	conf => qq{
shared_preload_libraries = '$intruder, backup_bgw'
backup_bgw.max_backups = 1
});
my $data = $node->data_dir;
create_db($node, $_,
	sql =>
	  q{CREATE TABLE t AS SELECT i, repeat('x', 1000) FROM generate_series(1, 1000) i}
) for qw(first second);

# Processes in this database wait before they do what they do at their end; but
# not the session of pg_dump, whose end the backup waits for.
$node->safe_psql(
	'postgres', q{
	ALTER DATABASE first SET intruder.wait_at_log = 'before_shmem_exit callbacks to make';
	ALTER DATABASE first SET log_min_messages = 'debug3'});
append_to_file("$data/intruder.hold", '');
my $id;
{
	local $ENV{PGOPTIONS} =
	  '-c log_min_messages=warning -c backup_bgw.conninfo=options=-clog_min_messages=warning';
	$id = start_backup($node, 'first', jobs => 1);
}
is(wait_backup($node, $id), 'completed', 'a backup is completed');
my $late =
  q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'first' AND backend_type = 'backup_bgw worker'};
is($node->safe_psql('postgres', $late), '1', 'while its worker is there');

$id = start_backup($node, 'second', jobs => 1, max_rate => '10kB');
my $row =
  "SELECT relation FROM backup_workers WHERE backup_id = $id AND role = 'worker'";
$node->poll_query_until('postgres', "SELECT ($row) = 'public.t'") or die;
unlink "$data/intruder.hold" or die $!;
$node->poll_query_until('postgres', "SELECT ($late) = 0") or die;
is($node->safe_psql('postgres', $row),
	'public.t', 'its end leaves the next backup alone');
$node->safe_psql('postgres', "SELECT cancel_backup($id)");
wait_backup($node, $id);

$node->stop;
done_testing();
