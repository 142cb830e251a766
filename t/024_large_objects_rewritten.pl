
# Large objects are read by pg_dump, whose session gives back its locks on
# pg_largeobject after each call.  Where catalogs are read from their present
# files, with wal_level = logical and from 19 on, these may be gone by the next
# call: it is S's that are kept for the backup.  Up to 16 pg_dump has a cursor on
# pg_largeobject_metadata, whose rewrite has to wait for it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node =
  new_node('main', conf => "autovacuum = off\nwal_level = logical\n");
create_db($node, 'large',
	sql =>
	  q{SELECT count(lo_from_bytea(10000 + i, decode(repeat(md5(i::text), 200), 'hex'))) FROM generate_series(1, 4000) i}
);
my $stock = stock_dump($node, 'large');
my $session = new_session($node, 'large');
session_query($session, q{SET statement_timeout = '60s'});
my $id = start_backup($node, 'large', destination => 'large');
my $partial = progress($node, $id, 'destination') . '.partial/pg_dump';
poll_perl(
	sub {
		grep { /^blob_/ } -d $partial ? slurp_dir($partial) : 'blob_';
	},
	'pg_dump to read large objects');
session_query($session, "VACUUM FULL pg_largeobject; VACUUM FULL $_")
  for 'pg_largeobject', 'pg_largeobject_metadata', 'pg_largeobject_metadata';
note('pg_dump was then in phase '
	  . (progress($node, $id, 'phase') || 'ended'));
$session->quit;
is(wait_backup($node, $id), 'completed', 'the backup is completed')
  or diag(history($node, $id, 'error'));
my $archive = history($node, $id, 'destination');
archives_equal($node, $archive, $stock, 'large objects') if -e $archive;
no_orphans($node, 'all files of what was rewritten are gone', 'large');
$node->stop;
done_testing();
