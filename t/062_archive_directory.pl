
# An archive that somebody meddles with while it is written is no complete backup,
# and what is not the backup's own is left alone.

use strict;
use warnings;
use File::Copy qw(move copy);
use File::Path ();
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main');
my $dir = backup_dir($node);
create_db(
	$node, 'db', sql => q{
	CREATE TABLE small AS SELECT i FROM generate_series(1, 100) i;
	CREATE TABLE big AS SELECT i, repeat('x', 100) AS t FROM generate_series(1, 10000) i;}
);
my $elsewhere = $node->basedir . '/elsewhere';
my $n = 0;

# Runs a backup, and changes its directory when the data of "small" is written
# and that of "big" is not.  Returns the backup's id when it has ended.
sub meddle
{
	my ($change) = @_;
	my ($destination, $id, $worker);

	# the slower, the sooner is a worker met; but then it has to go on as slowly
	foreach my $rate (qw(1MB 200kB 40kB))
	{
		$destination = "$dir/" . ++$n;
		$id = start_backup(
			$node, 'db',
			destination => $destination,
			jobs => 2,
			compression => 'none',
			max_rate => $rate);
		$worker = hold_worker($node, $id, 'public.big');
		last if $worker;
	}
	ok($worker, 'a worker is held');
	$node->poll_query_until('postgres',
		"SELECT tables_done = 1 FROM backup_progress WHERE backup_id = $id")
	  or die;
	my ($small) =
	  grep { -s $_ > 250 && -s $_ < 350 && slurp_file($_) =~ /^1\n2\n3\n/ }
	  glob("$destination.partial/rows_*");
	die 'no data file of "small"' unless $small;
	$change->("$destination.partial", $small);
	release_worker($worker);
	wait_backup($node, $id);
	return $id;
}

foreach my $case (
	[
		'data file missing',
		sub { unlink $_[1] },
		qr/file "[^"]*\.dat" .* is missing/
	],
	[
		'data file cut off',
		sub { truncate $_[1], 10 },
		qr/file "[^"]*\.dat" .* has 10 bytes instead of \d+/
	],
	[
		'data file longer',
		sub { append_to_file($_[1], 'x') },
		qr/file "[^"]*\.dat" .* has \d+ bytes instead of \d+/
	],
	[
		'a link instead of a data file',
		sub {
			copy($_[1], "$elsewhere.dat");
			unlink $_[1];
			symlink "$elsewhere.dat", $_[1];
		},
		qr/file "[^"]*\.dat" .* is not a regular file/
	],
	[
		'a directory instead of a data file',
		sub { unlink $_[1]; mkdir $_[1] },
		qr/file "[^"]*\.dat" .* is not a regular file/
	],
	[
		'toc.dat missing',
		sub { unlink "$_[0]/toc.dat" },
		qr/toc\.dat/,
		'made again'
	],
	[
		'the directory is gone',
		sub { File::Path::rmtree($_[0]) },
		qr/No such file|is not the directory that the backup has made/
	])
{
	my ($name, $change, $error, $harmless) = @$case;
	my $id = meddle($change);
	my $destination = history($node, $id, 'destination');
	if ($harmless)
	{
		is(history($node, $id, 'status'), 'completed', "$name: $harmless");
		$node->command_ok([ verify_command($node, $destination) ],
			"$name: verifies");
		next;
	}
	backup_fails($node, $id, $error, $name);
	unlink "$elsewhere.dat";
}

# The directory is another one, or a link to another one, by now.
foreach my $link (0, 1)
{
	my $name = $link ? 'a link' : 'another directory';
	my $precious = $link ? "$elsewhere.precious" : undef;
	my $moved;
	my $id = meddle(
		sub {
			my ($partial) = @_;
			$moved = "$partial.moved";
			move($partial, $moved) or die $!;
			$precious = $partial unless $link;
			mkdir $precious or die $!;
			append_to_file("$precious/$_", 'precious')
			  for 'precious', 'toc.dat', '1.dat';
			symlink($precious, $partial) or die $! if $link;
		});
	is(history($node, $id, 'status'), 'failed', "$name: failed");
	like(
		history($node, $id, 'error'),
		qr/".*\.partial" is not the directory that the backup has made/,
		"$name: error");
	my $destination = history($node, $id, 'destination');
	ok(!-e $destination, "$name: no destination");
	is( join(' ',
			map       { slurp_file("$precious/$_") }
			sort grep { !/^\.\.?$/ } slurp_dir($precious)),
		'precious precious precious',
		"$name: what is there is left alone");
	is(join(' ', grep { !/^\.\.?$/ } slurp_dir($moved)),
		'', "$name: what the backup has written is gone");
}

# Files that others put there do not stay behind.
{
	my $id = meddle(
		sub {
			append_to_file("$_[0]/strange", 'x');
			mkdir "$_[0]/subdirectory";
			append_to_file("$_[0]/subdirectory/x", 'x');
			unlink $_[1];
		});
	is(history($node, $id, 'status'), 'failed', 'strange files: failed');
	my $destination = history($node, $id, 'destination');
	ok(!-e $destination, 'strange files: no destination');
	is( join(' ', sort grep { !/^\.\.?$/ } slurp_dir("$destination.partial")),
		'subdirectory',
		'strange files: only what no backup makes is left');
}

# The destination is taken when the backup ends
foreach my $case (
	[
		'a directory with a file',
		sub { mkdir $_[0]; append_to_file("$_[0]/x", 'x') }
	],
	[ 'a file', sub { append_to_file($_[0], 'x') } ],
	[ 'a link', sub { symlink $elsewhere, $_[0] } ])
{
	my ($name, $make) = @$case;
	my $id = meddle(sub { $make->($_[0] =~ s/\.partial$//r) });
	is(history($node, $id, 'status'),
		'failed', "$name at the destination: failed");
	like(
		history($node, $id, 'error'),
		qr/could not rename directory ".*\.partial" to/,
		"$name at the destination: error");
	ok(!-e history($node, $id, 'destination') . '.partial',
		"$name at the destination: nothing left");
}

$node->stop;
done_testing();
