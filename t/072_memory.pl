
# A table worker needs no more memory for many tables than for some.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;
use HeldWrites;

plan skip_all => 'needs /proc' unless -e "/proc/$$/status";

my $tables = 2000;
my $kilobytes_per_table = 8;

my $node = new_node(
	'main',
	start => 0,
	conf => "autovacuum = off\nmax_locks_per_transaction = 1000\n");
start_with_held_writes($node);
$node->safe_psql('postgres', 'CREATE EXTENSION backup_bgw');
create_db(
	$node, 'many', sql => qq{
	DO \$\$ BEGIN
		FOR i IN 1 .. $tables LOOP
			EXECUTE format('CREATE TABLE t%s AS SELECT 1 AS id, ''a''::text AS a, ''b''::text AS b', i);
		END LOOP;
	END \$\$;});

# How many tables a worker has read, and its private memory, when so many have
# been.
sub sample
{
	my ($id, $after) = @_;
	$node->poll_query_until('postgres',
		"SELECT tables_done >= $after FROM backup_progress WHERE backup_id = $id"
	) or die 'timed out';
	hold_writes();
	my $pid = held_writer();
	my ($kilobytes) =
	  slurp_file("/proc/$pid/status") =~ /^RssAnon:\s*(\d+) kB/m;
	my $done = progress($node, $id, 'tables_done');
	note("$done tables: $kilobytes kB");
	release_writes();
	return ($done, $kilobytes);
}

# slow enough to be met twice
my $id = start_backup(
	$node, 'many',
	jobs => 1,
	destination => 'many',
	max_rate => $kilobytes_per_table * $tables / 4 . 'kB');
my ($some, $before) = sample($id, 400);
my ($many, $after) = sample($id, 1700);
is(wait_backup($node, $id), 'completed', 'the backup completed');
cmp_ok($some, '<', 1000, 'some tables had been read');
cmp_ok($many - $some, '>', 700, 'and many more');
cmp_ok($after - $before, '<', 2500, 'the worker grew by few kilobytes');

$node->stop;
done_testing();
