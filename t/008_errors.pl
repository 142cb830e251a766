
# Whatever is wrong when a backup is to start is an error of start_backup(),
# which leaves nothing behind.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main');
my $dir = backup_dir($node);
my $data = $node->data_dir;
my $ts = $node->basedir . '/ts';
mkdir $ts or die $!;
create_db(
	$node, 'db', sql => q{
	CREATE TABLE t AS SELECT 1 AS a;
	CREATE ROLE nobody;
	CREATE ROLE only_read IN ROLE pg_read_all_data;
	CREATE ROLE only_write IN ROLE pg_write_server_files;
	CREATE ROLE reader_writer LOGIN IN ROLE pg_read_all_data, pg_write_server_files;}
);
$node->safe_psql('db', "CREATE TABLESPACE ts LOCATION '$ts'");

mkdir "$dir/full" or die $!;
append_to_file("$dir/full/x", 'x');
append_to_file("$dir/file", 'x');
mkdir "$dir/left.partial" or die $!;
mkdir "$dir/closed" or die $!;
symlink($data, "$dir/link") or die $!;
mkdir "$data/empty" or die $!;
symlink("$data/empty", "$dir/into") or die $!;
chmod 0555, "$dir/closed" or die $!;

foreach my $case (
	# destination
	[
		'not empty', { destination => "$dir/full" },
		'58P02', qr/destination ".*full" exists and is not empty.*HINT/s
	],
	[
		'not empty, trailing slash',
		{ destination => "$dir/full/" },
		'58P02',
		qr/exists and is not empty/
	],
	[
		'a file', { destination => 'file' },
		'58P02', qr/exists and is not a directory/
	],
	[
		'unfinished one there',
		{ destination => 'left' },
		'58P02',
		qr/left\.partial" exists.*HINT/s
	],
	[
		'in the data directory',
		{ destination => "$data/backup" },
		'22023',
		qr/is inside the data directory.*HINT/s
	],
	[
		'deep in the data directory',
		{ destination => "$data/base/backup" },
		'22023',
		qr/is inside the data directory/
	],
	[
		'the data directory',
		{ destination => $data },
		undef, qr/is inside the data directory|is not empty/
	],
	[
		'in the data directory by dots',
		{ destination => "$dir/../pgdata/backup" },
		'22023',
		qr/is inside the data directory/
	],
	[
		'in the data directory by a link',
		{ destination => "$dir/link/backup" },
		'22023',
		qr/is inside the data directory/
	],
	[
		'a link into the data directory',
		{ destination => "$dir/into" },
		'22023',
		qr/is inside the data directory/
	],
	[
		'in a tablespace',
		{ destination => "$ts/backup" },
		'22023',
		qr/is inside the tablespace directory/
	],
	[
		'parent missing',
		{ destination => "$dir/no/where" },
		'58P01', qr/could not access directory ".*\/no".*No such file.*HINT/s
	],
	[
		'parent is a file',
		{ destination => "$dir/file/x" },
		undef,
		qr/is not a directory|Not a directory/
	],
	[
		'parent not writable',
		{ destination => "$dir/closed/x" },
		'42501',
		qr/directory ".*closed" of the destination is not writable.*HINT/s
	],
	[
		'root', { destination => '/' },
		undef, qr/invalid destination|is not empty/
	],
	[
		'empty string',
		{ destination => '' },
		'22023',
		qr/destination must not be empty/
	],
	[ 'too long', { destination => 'x' x 1100 }, '22023', qr/too long/ ],
	# numbers and names
	[
		'jobs 0', { jobs => 0 },
		'22023', qr/jobs must be between 1 and 64, not 0/
	],
	[
		'jobs 65', { jobs => 65 },
		'22023', qr/jobs must be between 1 and 64, not 65/
	],
	[ 'jobs -1', { jobs => -1 }, '22023', qr/jobs must be between 1 and 64/ ],
	[
		'more jobs than max_worker_processes',
		{ jobs => 40 },
		'53400',
		qr/40 jobs.*HINT:.*max_worker_processes/s
	],
	[
		'compression unknown',
		{ compression => 'zip' },
		'22023', qr/unrecognized compression: "zip".*HINT/s
	],
	[
		'compression empty',
		{ compression => '' },
		'22023',
		qr/unrecognized compression/
	],
	[
		'compression level 0',
		{ compression => 'lz4:0' },
		'22023', qr/invalid lz4 compression level: "0".*HINT/s
	],
	[
		'compression level 13',
		{ compression => 'lz4:13' },
		'22023',
		qr/invalid lz4 compression level: "13"/
	],
	[
		'compression level x',
		{ compression => 'lz4:9x' },
		'22023',
		qr/invalid lz4 compression level: "9x"/
	],
	[
		'compression level missing',
		{ compression => 'lz4:' },
		'22023',
		qr/invalid lz4 compression level/
	],
	[ 'rate', { max_rate => 'fast' }, '22023', qr/max_rate: "fast".*HINT/s ],
	[ 'rate 0', { max_rate => '0' }, '22023', qr/max_rate: "0"/ ],
	[
		'rate negative', { max_rate => '-5MB' }, '22023',
		qr/max_rate: "-5MB"/
	],
	[
		'rate with an unknown unit',
		{ max_rate => '5 parsec' },
		'22023',
		qr/max_rate: "5 parsec"/
	],
	# patterns
	[
		'include matches nothing',
		{ include => ['no_such'] },
		'42P01', qr/no tables match include pattern "no_such".*HINT/s
	],
	[
		'one of include matches nothing',
		{ include => [ 't', 'no_such' ] },
		'42P01',
		qr/pattern "no_such"/
	],
	[
		'exclude matches nothing',
		{ exclude => ['no_such_either'] },
		'42P01', qr/no tables match exclude pattern "no_such_either".*HINT/s
	],
	[
		'include of a schema that is not there',
		{ include => ['nowhere.*'] },
		undef, qr/nowhere/
	],
	[
		'pattern of another database',
		{ include => ['elsewhere.public.t'] },
		undef,
		qr/cross-database references are not implemented/
	],
	[
		'pattern with too many dots',
		{ include => ['a.b.c.t'] },
		undef,
		qr/too many dotted names/
	],
	[ 'NULL pattern', { include => [undef] }, '22004', qr/must not be null/ ],
	[
		'empty pattern',
		{ exclude => [''] },
		'22023',
		qr/must not be null or empty/
	],
	# privileges
	[
		'no privilege',
		{},
		'42501',
		qr/permission denied.*DETAIL:.*pg_read_all_data.*pg_write_server_files/s,
		role => 'nobody'
	],
	[
		'only pg_read_all_data',
		{},
		'42501',
		qr/permission denied/,
		role => 'only_read'
	],
	[
		'only pg_write_server_files',
		{}, '42501',
		qr/permission denied/,
		role => 'only_write'
	])
{
	my ($name, $args, $sqlstate, $expected, %opt) = @$case;
	start_fails($node, 'db', { destination => 'new', %$args },
		$sqlstate, $expected, $name, %opt);
}

# Without backup_bgw.directory
foreach my $case (
	[
		'relative',
		{ destination => 'relative' },
		qr/destination "relative" is relative, and backup_bgw\.directory is not set.*HINT/s
	],
	[ 'none', {}, qr/backup_bgw\.directory is not set.*HINT/s ])
{
	my ($name, $args, $expected) = @$case;
	start_fails(
		$node, 'db', $args, '22023', $expected,
		"no directory, destination $name",
		set => ["backup_bgw.directory = ''"]);
}
$node->append_conf('postgresql.conf', "backup_bgw.directory = '$dir/gone'");
$node->reload;
$node->poll_query_until('db',
	q{SELECT current_setting('backup_bgw.directory') LIKE '%/gone'})
  or die;
start_fails(
	$node, 'db', {}, '58P01',
	qr/could not access directory ".*gone"/,
	'backup_bgw.directory is missing');
$node->append_conf('postgresql.conf', "backup_bgw.directory = '$dir'");
$node->reload;
$node->poll_query_until('db',
	q{SELECT current_setting('backup_bgw.directory') NOT LIKE '%/gone'})
  or die;

# Settings
foreach my $case (
	[ "backup_bgw.directory = 'relative'", qr/must be absolute/ ],
	[ "backup_bgw.pg_dump_path = 'pg_dump'", qr/must be absolute/ ],
	[ 'backup_bgw.jobs = 65', qr/65 is outside the valid range/ ],
	[
		'backup_bgw.max_backups = 5',
		qr/cannot be changed without restarting/
	],
	[
		'backup_bgw.no_such = 1',
		qr/invalid configuration parameter name|unrecognized configuration parameter/
	])
{
	my ($setting, $expected) = @$case;
	my ($ret, $out, $err) = $node->psql('db', "SET $setting");
	like($err, $expected, "SET $setting");
}
foreach my $setting (qw(directory conninfo pg_dump_path))
{
	my ($ret, $out, $err) = $node->psql('db',
		"SET ROLE reader_writer; SET backup_bgw.$setting = '/x'");
	like(
		$err,
		qr/permission denied to set parameter/,
		"only a superuser sets backup_bgw.$setting");
}

# pg_dump
sub reconfigure
{
	my ($name, $value) = @_;
	$node->append_conf('postgresql.conf', "backup_bgw.$name = '$value'");
	$node->reload;
	$node->poll_query_until('db',
		"SELECT current_setting('backup_bgw.$name') = " . quote_sql($value))
	  or die "backup_bgw.$name was not set";
	return;
}
my $pg_dump = $node->safe_psql('db', 'SHOW backup_bgw.pg_dump_path');
reconfigure('pg_dump_path', '/nonexistent/pg_dump');
start_fails(
	$node, 'db', { destination => 'new' },
	undef,
	qr{/nonexistent/pg_dump.*HINT:.*backup_bgw\.pg_dump_path}s,
	'pg_dump is missing');
reconfigure('pg_dump_path', "$dir/file");
start_fails($node, 'db', { destination => 'new' },
	undef, qr{\Q$dir\E/file}, 'pg_dump is not executable');
reconfigure('pg_dump_path', $pg_dump);
my $host = $node->host;
reconfigure('conninfo', 'port=1');
start_fails(
	$node, 'db', { destination => 'new' },
	undef,
	qr/port=1|port "?1\b|\.s\.PGSQL\.1\b.*backup_bgw\.conninfo/s,
	'pg_dump cannot connect');
start_fails($node, 'db', { destination => 'new' },
	undef,
	qr/backup_bgw\.conninfo/, 'pg_dump cannot connect: the setting is named');
reconfigure('conninfo', 'user=no_such_role');
start_fails(
	$node, 'db', { destination => 'new' },
	undef,
	qr/no_such_role.*backup_bgw\.conninfo/s,
	'pg_dump may not connect');
reconfigure('conninfo', 'user=reader_writer');
start_fails(
	$node, 'db', { destination => 'new' },
	undef,
	qr/must connect as a superuser.*backup_bgw\.conninfo/s,
	'pg_dump would not see everything');
reconfigure('conninfo', 'dbname=postgres');
start_fails($node, 'db', { destination => 'new' },
	undef, qr/database/, 'pg_dump connects to the wrong database');
reconfigure('conninfo', 'nonsense');
start_fails($node, 'db', { destination => 'new' },
	undef, qr/nonsense/, 'bad conninfo');
reconfigure('conninfo', '');
break_pg_dump($node, "pg_dump: error: out of order\n");
start_fails(
	$node, 'db', { destination => 'new' },
	undef,
	qr/out of order/,
	'pg_dump fails at once');

# later it is the backup that fails
break_pg_dump($node, 'later', 1);
my ($ret, $out, $err) =
  $node->psql('db', 'SELECT ' . start_sql(destination => 'new'));
if ($ret == 0)
{
	backup_fails(
		$node, $out,
		qr/pg_dump.*no matching tables were found/s,
		'pg_dump fails later');
}
else
{
	like(
		$err,
		qr/no matching tables were found/,
		'pg_dump fails later: error of start_backup()');
}
break_pg_dump($node);

# ids
start_fails(
	$node, 'db', {}, '42704',
	qr/backup 4711 does not exist/,
	'wait_backup of an unknown id',
	sql => 'wait_backup(4711)');
start_fails(
	$node, 'db', {}, '42704',
	qr/backup 4711 does not exist/,
	'cancel_backup of an unknown id',
	sql => 'cancel_backup(4711)');
start_fails($node, 'db', {}, '22004', qr/must not be null/,
	'wait_backup(NULL)', sql => 'wait_backup(NULL)');
start_fails(
	$node, 'db', {}, '22023',
	qr/must not be negative/,
	'negative timeout',
	sql => "wait_backup(1, '-1 s')");

# After all these, who may can, and no slot is lost.
foreach my $i (1 .. 5)
{
	my $id = $node->safe_psql('db',
		'SET ROLE reader_writer; SELECT '
		  . start_sql(destination => "good-$i"));
	is(wait_backup($node, $id),
		'completed', "a backup works by a role that may ($i)")
	  or diag(history($node, $id, 'error'));
}
is( $node->safe_psql(
		'db',
		q{SELECT usename FROM backup_history ORDER BY backup_id DESC LIMIT 1}
	),
	'reader_writer',
	'who did it');

# Too few background workers: the slots are taken by others, or not there.
$node->append_conf('postgresql.conf', "max_worker_processes = 3\n");
$node->restart;
foreach my $jobs (2, 3)
{
	start_fails(
		$node,
		'db',
		{ destination => 'new', jobs => $jobs },
		undef,
		qr/background worker.*max_worker_processes/s,
		"too few worker slots for $jobs jobs");
}
$node->append_conf('postgresql.conf', "max_worker_processes = 16\n");

# In recovery
$node->stop;
append_to_file("$data/standby.signal", '');
$node->start;
start_fails(
	$node, 'db', { destination => 'new' },
	'55000', qr/recovery is in progress.*HINT/s,
	'in recovery');
unlink "$data/standby.signal";

# Not preloaded
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
foreach my $sql (
	start_sql(destination => 'new'),
	'wait_backup(1)',
	'cancel_backup(1)',
	'* FROM backup_progress',
	'* FROM backup_workers',
	'* FROM backup_history')
{
	start_fails(
		$node, 'db', {}, '55000',
		qr/must be loaded via shared_preload_libraries.*HINT/s,
		"not preloaded: $sql",
		sql => $sql,
		not_loaded => 1);
}

$node->stop;
chmod 0755, "$dir/closed";
done_testing();
