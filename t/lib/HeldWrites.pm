
# A file system that blocks: writes to data files of archives can be held, and so
# can compression.

package HeldWrites;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;

use BackupBgwTest;

our @EXPORT =
  qw(start_with_held_writes hold_writes held_writer release_writes);

my $source = __FILE__ =~ s{[^/]*$}{held_writes.c}r;
my $dir;

# Starts a node whose writes can be held.
sub start_with_held_writes
{
	my ($node) = @_;
	$dir = PostgreSQL::Test::Utils::tempdir();
	system_or_bail('cc', '-shared', '-fPIC', '-o', "$dir/held_writes.so",
		$source, '-ldl');
	local $ENV{LD_PRELOAD} = "$dir/held_writes.so";
	local $ENV{HOLD_DIR} = $dir;
	$node->start;
	return;
}

# From now on whoever writes stops, until release_writes().  With "_truncation" in
# all three: whoever truncates a file of a database; with "_compression": whoever
# compresses a block.
sub hold_writes
{
	my ($what) = @_;
	$what //= '';
	unlink "$dir/held$what";
	append_to_file("$dir/hold$what", '');
	return;
}

# Waits until somebody is held; returns the process ID.
sub held_writer
{
	my ($what) = @_;
	$what //= '';
	poll_perl(sub { -s "$dir/held$what" }, 'somebody to write');
	return slurp_file("$dir/held$what") + 0;
}

sub release_writes
{
	my ($what) = @_;
	my $file = "$dir/hold" . ($what // '');
	unlink $file or die "could not remove \"$file\": $!";
	return;
}

1;
