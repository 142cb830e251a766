
# A build without libzstd and zlib says so, before anything is started, and does
# everything else.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

# Built anew is what depends on it.
my $source = PostgreSQL::Test::Utils::tempdir() . '/source';
my $log = PostgreSQL::Test::Utils::tempdir() . '/build.log';
mkdir $source or die "could not create \"$source\": $!";
system_or_bail(
	'cp', '-R', '-p',
	(   map { "$FindBin::RealBin/../$_" }
		  qw(Makefile backup_bgw.control sql src)),
	$source);
unlink "$source/src/archive/codec_$_.o" foreach qw(zstd gzip);
system(
	"make -C '$source' with_zstd=no with_zlib=no with_llvm=no all >'$log' 2>&1"
  ) == 0
  or die slurp_file($log);
unlike(slurp_file($log), qr/warning:/, 'no compiler warning');

# The workers are to find this library, too.
my $node = new_node(
	'main',
	start => 0,
	conf => "dynamic_library_path = '$source:\$libdir'\n");
$node->start;

# as CREATE EXTENSION does it, for this library
my $sql = slurp_file("$source/sql/backup_bgw--1.0.sql");
$sql =~ s/^\\echo.*//m;
$sql =~ s/MODULE_PATHNAME/backup_bgw/g;
create_db(
	$node, 'db',
	bare => 1,
	sql => "$sql; CREATE TABLE t AS SELECT 1 AS i");

foreach my $codec ([ 'zstd', 'libzstd' ], [ 'gzip', 'zlib' ])
{
	my ($name, $library) = @$codec;
	start_fails(
		$node,
		'db',
		{ compression => $_ },
		'0A000',
		qr/this build of backup_bgw does not support compression with $name.*HINT:.*$library/s,
		$_) foreach $name, "$name:1", "$name:99";
}
start_fails($node, 'db', { compression => 'zip' },
	'22023', qr/unrecognized compression/, 'zip');

foreach my $compression (qw(lz4 lz4:9 none))
{
	my $id = $node->safe_psql(
		'db',
		'SELECT '
		  . start_sql(
			destination => "with $compression",
			compression => $compression));
	is($node->safe_psql('db', "SELECT wait_backup($id)"),
		'completed', "compression $compression");
}

$node->stop;
done_testing();
