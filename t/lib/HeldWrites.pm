
# A file system that blocks: writes to data files of archives can be held.

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

# From now on whoever writes stops, until release_writes().
sub hold_writes
{
	unlink "$dir/held";
	append_to_file("$dir/hold", '');
	return;
}

# Waits until somebody is held; returns the process ID.
sub held_writer
{
	poll_perl(sub { -s "$dir/held" }, 'somebody to write');
	return slurp_file("$dir/held") + 0;
}

sub release_writes
{
	unlink "$dir/hold" or die "could not remove \"$dir/hold\": $!";
	return;
}

1;
