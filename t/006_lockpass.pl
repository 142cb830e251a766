
# pg_dump does not wait for transactions that have tables locked exclusively, nor
# do others wait for it on their account, nor are there deadlocks.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main');
create_db(
	$node, 'views', sql => q{
	CREATE TABLE t (a int DEFAULT 3);
	INSERT INTO t VALUES (1), (2);
	CREATE VIEW v AS SELECT a + 1 AS b FROM t;
	CREATE VIEW w AS SELECT b + 1 AS c FROM v;});
my $expected = dump_text($node, 'views');

my $session = new_session($node, 'views');
session_query($session,
	'BEGIN; TRUNCATE t; ALTER TABLE t ADD b int DEFAULT 9; DROP VIEW w');
my $archive =
  backup_ok($node, 'views', name => 'backup beside an open transaction');
session_query($session, 'DROP VIEW v; DROP TABLE t; COMMIT');
same_text(archive_text($node, $archive),
	$expected, 'it has everything as it was before that transaction');

$session->quit;
$node->stop;
done_testing();
