
# Every value of PostgreSQL's own regression database has the bytes that pg_dump
# gives it. Needs the server's source, which is not installed with it:
# PG_REGRESS_SOURCE is its folder src/test/regress.

use strict;
use warnings;
use Config;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $source = $ENV{PG_REGRESS_SOURCE};
plan skip_all => 'PG_REGRESS_SOURCE is not set' unless $source;

my $node = new_node('main', conf => "max_connections = 40\n");
my $dir = $node->basedir . '/regress';
mkdir $dir;

# the library of C functions that some of its tests use
my $include = `pg_config --includedir-server`;
chomp $include;
system_or_bail('cc', '-O1', '-fPIC', '-shared', "-I$include",
	'-o', "$dir/regress.$Config{dlext}", "$source/regress.c");

# What the tests find is not of interest, only what they leave behind.
system($ENV{PG_REGRESS}, "--dlpath=$dir",
	'--bindir=', '--host=' . $node->host,
	'--port=' . $node->port, "--inputdir=$source",
	"--outputdir=$dir", '--max-concurrent-tests=20',
	"--schedule=$source/parallel_schedule");
$node->safe_psql('regression', 'CREATE EXTENSION backup_bgw');

# Large objects are another matter; their lists have the numbers of TOC entries
# in their names.
$node->safe_psql('regression',
	'SELECT lo_unlink(oid) FROM pg_largeobject_metadata');
my $tables = $node->safe_psql('regression',
	q{SELECT count(*) FROM pg_class WHERE relkind = 'r' AND oid >= 16384});
note("$tables tables");
cmp_ok($tables, '>', 100, 'the regression database is there');
my $stock = stock_dump($node, 'regression');
my $backup = backup_ok($node, 'regression');
archives_equal($node, $backup, $stock, 'regression database');

$node->stop;
done_testing();
