
# The history tells the truth: what the archive on disk says counts, whatever
# happened to the history's own files.

use strict;
use warnings;
use File::Copy qw(copy move);
use File::Path ();
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main');
my $dir = backup_dir($node);
my $history = $node->data_dir . '/backup_bgw/history';
create_db(
	$node, 'db', sql => q{
	CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i;});
backup_ok($node, 'db', destination => 'usual');

# A backup that is held, and what the history says of it meanwhile
sub start_held
{
	my ($destination) = @_;
	hold_pg_dump($node);
	my $id = start_backup($node, 'db', destination => $destination);
	wait_held($node);
	copy("$history/$id.json", "$dir/../running.json") or die $!;
	return $id;
}

sub is_status
{
	my ($id, $status, $error, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($node->safe_psql('postgres', "SELECT wait_backup($id, '0')"),
		$status, "$name: wait_backup()");
	is(history($node, $id, 'status'), $status, "$name: in the view");
	like(history($node, $id, 'error'), $error, "$name: error");
	return;
}

# The end of a backup cannot be recorded
my $id = start_held('unrecorded');
chmod 0555, $history or die $!;
release_pg_dump($node);
poll_perl(sub { progress($node, $id, 'count(*)') eq '0' },
	'the backup to end');
is_status($id, 'completed', qr/^$/, 'completed, but not recorded');
is(history($node, $id, 'finished_at BETWEEN started_at AND now()'),
	't', 'when it was completed');
chmod 0700, $history or die $!;
$node->restart;
is_status($id, 'completed', qr/^$/, 'the same after a restart');
# From now on it is on record, wherever the archive goes.
move("$dir/unrecorded", "$dir/moved") or die $!;
is_status($id, 'completed', qr/^$/, 'the same after the archive was moved');

$id = start_held('unrecorded');
chmod 0555, $history or die $!;
$node->safe_psql('postgres', "SELECT cancel_backup($id)");
poll_perl(sub { progress($node, $id, 'count(*)') eq '0' },
	'the backup to end');
is_status(
	$id, 'failed',
	qr/could not be recorded.*server log/s,
	'not completed, and not recorded');
chmod 0700, $history or die $!;
release_pg_dump($node);

# The server is killed between the renaming of the archive and the record: the
# files are as they would be then.
# An archive tells its backup by the second in which that began.
my $begun = time;
poll_perl(sub { time > $begun }, 'the next second');
$id = start_held('killed');
release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'backup to be tried with');
my $recorded = slurp_file("$history/$id.json");

sub killed
{
	my ($name, $status, $error, $change) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $archive = "$dir/killed";
	PostgreSQL::Test::RecursiveCopy::copypath($archive, "$dir/kept");
	$node->stop('immediate');
	copy("$dir/../running.json", "$history/$id.json") or die $!;
	$change->($archive) if $change;
	$node->start;
	is_status($id, $status, $error, $name);
	File::Path::rmtree($archive);
	move("$dir/kept", $archive) or die $!;
	return;
}
my $lost = qr/the server stopped or crashed/;
killed('killed after the renaming', 'completed', qr/^$/);
is( history($node, $id, 'datname || usename || jobs'),
	'db' . $node->safe_psql('db', 'SELECT current_user') . '2',
	'what else is known');
killed('killed before the renaming',
	'failed', $lost, sub { File::Path::rmtree($_[0]) });
killed(
	'another backup is there',
	'failed', $lost,
	sub {
		my ($archive) = @_;
		File::Path::rmtree($archive);
		PostgreSQL::Test::RecursiveCopy::copypath("$dir/usual", $archive);
	});
killed('no manifest', 'failed', $lost,
	sub { unlink "$_[0]/backup_manifest" });
killed('manifest cut off',
	'failed', $lost, sub { truncate "$_[0]/backup_manifest", 200 });
killed('a table of contents that is none',
	'failed', $lost, sub { truncate "$_[0]/toc.dat", 3 });
killed('a file instead of a directory',
	'failed', $lost,
	sub { File::Path::rmtree($_[0]); append_to_file($_[0], 'x') });

# Damaged files
my @ids = split /\n/,
  $node->safe_psql('postgres',
	'SELECT backup_id FROM backup_history ORDER BY 1');
foreach my $case (
	[ 'empty', '' ],
	[ 'no JSON', "#!/bin/sh\n" ],
	[ 'zeros', "\0" x 500 ],
	[ 'an array', '[]' ],
	[ 'another object', '{"backup_id": 1}' ],
	[ 'cut off', substr($recorded, 0, 200) ],
	[ 'no status', $recorded             =~ s/ "status": "completed",\n//r ],
	[ 'an unknown status', $recorded     =~ s/"completed"/"competent"/r ],
	[ 'a time that is none', $recorded   =~ s/("finished_at": ").../$1x/r ],
	[ 'a number that is none', $recorded =~ s/"datid": \d+/"datid": "x"/r ],
	[ 'a byte changed', $recorded        =~ s/"jobs": 2/"jobs": 3/r ],
	[ 'no UTF-8', $recorded              =~ s/killed/k\xfflled/r ])
{
	my ($name, $content) = @$case;
	unlink "$history/$id.json";
	append_to_file("$history/$id.json", $content);
	is( $node->safe_psql(
			'postgres',
			'SELECT string_agg(backup_id::text, E\'\n\' ORDER BY backup_id) FROM backup_history'
		),
		join("\n", @ids),
		"$name: the view shows all backups");
	is(history($node, $id, 'status'), 'unknown', "$name: status");
	like(
		history($node, $id, 'error'),
		qr/history file "backup_bgw\/history\/$id\.json" is damaged/,
		"$name: error");
	my ($ret, $out, $err) = $node->psql('postgres',
		"\\set VERBOSITY verbose\nSELECT wait_backup($id)");
	like($err, qr/XX001: .*is damaged/, "$name: wait_backup()");
}
is( $node->safe_psql(
		'postgres',
		q{CREATE ROLE stranger; SET ROLE stranger; SELECT count(*) FROM backup_history}
	),
	'0',
	'a damaged file may be about any role');
unlink "$history/$id.json";
append_to_file("$history/$id.json", $recorded);
is_status($id, 'completed', qr/^$/, 'what is not damaged');

# Leftovers of an interrupted write
append_to_file("$history/$_", '{') for '99.json.tmp', '99.json.4711.tmp';
$node->restart;
is(join(' ', grep { /tmp/ } slurp_dir($history)),
	'', 'leftovers are gone after a restart');
cmp_ok(start_backup($node, 'db', destination => 'last'),
	'>', $id, 'ids go on');

$node->stop;
done_testing();
