
# Destinations that a backup could not be renamed to in the end, and names that
# are too long, are errors at the start which say what is wrong.

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
create_db($node, 'db', sql => 'CREATE TABLE t AS SELECT 1 AS a');

mkdir "$dir/empty" or die $!;
symlink("$dir/empty", "$dir/link") or die $!;
symlink("$dir/nowhere", "$dir/dangling") or die $!;
symlink("$dir/loop", "$dir/loop") or die $!;
symlink($dir, "$dir/parent") or die $!;

foreach my $case (
	[
		'a mount point',
		{ destination => '/proc' },
		'22023', qr/destination "\/proc" is a mount point.*HINT/s
	],
	[
		'a link to an empty directory',
		{ destination => 'link' },
		'58P02', qr/destination ".*\/link" is a symbolic link.*HINT/s
	],
	[
		'a dangling link',
		{ destination => 'dangling' },
		'58P02', qr/destination ".*\/dangling" is a symbolic link/
	],
	[
		'a link to itself',
		{ destination => 'loop' },
		'58P02', qr/destination ".*\/loop" is a symbolic link/
	],
	[
		'below a link to itself',
		{ destination => 'loop/x' },
		'58P01',
		qr/could not access directory ".*\/loop" of the destination: Too many levels of symbolic links/
	],
	[
		'named as if unfinished',
		{ destination => 'x.partial' },
		'22023',
		qr/destination "\Q$dir\E\/x\.partial" ends in "\.partial".*HINT/s
	],
	[
		'named as if unfinished, with a slash',
		{ destination => "$dir/x.partial/" },
		'22023',
		qr/ends in "\.partial"/
	],
	[
		'name too long',
		{ destination => 'x' x 300 },
		'58P03',
		qr/destination .*: File name too long/
	],
	[
		'name too long with its suffix',
		{ destination => 'x' x 250 },
		'58P03',
		qr/could not create directory ".*x\.partial" for the destination: File name too long/
	],
	[
		'a name too long in the middle',
		{ destination => "$dir/" . ('x' x 300) . '/x' },
		'58P03',
		qr/could not access directory .*: File name too long/
	],
	[
		'a pattern too long',
		{ include => [ '[' . ('ab' x 70_000) . 't]' ] },
		'54000',
		qr/could not start pg_dump: Argument list too long.*HINT:.*pattern/s
	])
{
	my ($name, $args, $sqlstate, $expected) = @$case;
	start_fails($node, 'db', { destination => 'new', %$args },
		$sqlstate, $expected, $name);
}
my $backup = backup_ok(
	$node, 'db',
	destination => "$dir/parent/good",
	name => 'a link to the parent directory is good');
ok(-e "$dir/good/toc.dat", 'and followed');
backup_ok(
	$node, 'db',
	destination => 'x' x 247,
	name => 'the longest name');

# Directories of the server that are elsewhere
$node->stop;
my $elsewhere = $node->basedir . '/elsewhere';
mkdir $elsewhere or die $!;
foreach my $name ('pg_wal', 'base')
{
	rename($node->data_dir . "/$name", "$elsewhere/$name") or die $!;
	symlink("$elsewhere/$name", $node->data_dir . "/$name") or die $!;
}
symlink($dir, $node->data_dir . '/backups') or die $!;
$node->start;
foreach my $inside (
	"$elsewhere/pg_wal/x", "$elsewhere/pg_wal/archive_status/x",
	"$elsewhere/base/x", $node->data_dir . '/pg_wal/x')
{
	start_fails(
		$node,
		'db',
		{ destination => $inside },
		'22023',
		qr/destination "\Q$inside\E" is inside the data directory.*DETAIL:  ".*\/elsewhere\/(pg_wal|base)" is the server's/s,
		$inside);
}
backup_ok(
	$node, 'db',
	destination => $node->data_dir . '/backups/outside',
	name => 'a link of the administrator that leads out');

$node->stop;
done_testing();
