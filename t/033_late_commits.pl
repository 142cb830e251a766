
# A commit that hangs, for longer than anybody waits for it, and goes on when the backup
# that it knew has ended and another one has its place.

use strict;
use warnings;
use File::Copy qw(copy);
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $intruder = build_module('intruder');
my $node = new_node('main',
	conf =>
	  "autovacuum = off\nshared_preload_libraries = '$intruder, backup_bgw'\n"
);
my $data = $node->data_dir;
create_db(
	$node, 'db',
	sql => join(
		';',
		map {
			"CREATE TABLE t$_ AS SELECT i, i::text AS t FROM generate_series(1, 1000) i"
		} 1 .. 3));
my $oid =
  $node->safe_psql('db', "SELECT oid FROM pg_database WHERE datname = 'db'");

sub registries
{
	return scalar grep { /^9[7-9]\d\d_/ } slurp_dir("$data/base/$oid");
}

hold_pg_dump($node);
my $id = start_backup($node, 'db', destination => 'first');
append_to_file("$data/intruder.hold", '');
my $late = new_session($node, 'db');
session_query($late,
	"SET intruder.wait_at_log = 'is preserved, the first one'");
$late->query_until(qr/^committing$/m,
	"\\echo committing\nTRUNCATE t1, t2;\n");
poll_perl(sub { -e "$data/intruder.held" }, 'the commit to hang');

# It takes a while until nobody waits for the commit any more.
$node->safe_psql('db', "SELECT cancel_backup($id)");
is(wait_backup($node, $id),
	'cancelled', 'a backup ends while a commit that it saw hangs');
release_pg_dump($node);

hold_pg_dump($node);
my ($next, $starting) = start_in_background(
	$node, 'db',
	{ destination => 'second' },
	set => ['backup_bgw.commit_timeout = 0']);
$node->safe_psql('db', 'TRUNCATE t3');
$node->poll_query_until('db',
	'SELECT count(*) > 0 FROM backup_preserved_files')
  or die 'nothing is preserved';
is(progress($node, $next, 'phase'),
	'starting', 'the next backup waits for the commit');
unlink "$data/intruder.hold";
session_query($late, 'SELECT 1');
poll_perl(sub { progress($node, $next, 'phase') eq 'schema' },
	'the next backup to start');
is(registries(), 1, 'there is one registry');
is(progress($node, $next, 'files_preserved'),
	0, 'nothing is counted for a backup whose snapshot is later');
release_pg_dump($node);
$_->quit for $starting, $late;
is(wait_backup($node, $next), 'completed', 'the next backup completes');
is($node->safe_psql('db', 'SELECT count(*) FROM backup_preserved_files'),
	'0', 'nothing is on record any more');
is(registries(), 0, 'and there is no registry');
no_orphans($node, 'nothing is left', 'db');

# Should there be two registries for whatever reason, both count.
$node->safe_psql('db', "DROP TABLE t$_") for 1 .. 3;
$node->safe_psql('db',
	"CREATE TABLE t$_ AS SELECT i, -i AS j FROM generate_series(1, 1000) i")
  for 1, 2;
hold_pg_dump($node);
$id = start_backup($node, 'db', destination => 'third');
$node->safe_psql('db', q{BEGIN; DROP TABLE t1; PREPARE TRANSACTION 'p1'});
release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'two registries: a backup');
$node->safe_psql('db', q{COMMIT PREPARED 'p1'});
$node->stop;
my ($registry) = grep { /^9[7-9]\d\d_vm$/ } slurp_dir("$data/base/$oid");
copy("$data/base/$oid/$registry", "$data/base/$oid/9900_vm")
  or die "could not copy $registry: $!";
is(registries(), 2, 'two registries: they are there');
$node->start;
poll_perl(sub { registries() == 0 }, 'both registries to be swept');
is($node->safe_psql('db', 'SELECT count(*) FROM t2'),
	'1000', 'two registries: what is not in them stays');
no_orphans($node, 'two registries: nothing is left', 'db');

$node->stop;
done_testing();
