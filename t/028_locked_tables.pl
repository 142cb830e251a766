
# Tables that others have locked are read page by page, and not through shared
# buffers, where VACUUM could not have them.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;
use HeldWrites;

my $node =
  new_node('main', conf => "autovacuum = off\nshared_buffers = '8MB'\n");
create_db(
	$node, 'db', sql => q{
	CREATE EXTENSION pg_buffercache;
	CREATE TABLE t (id int, kind text) WITH (fillfactor = 50);
	INSERT INTO t SELECT i, 'frozen' FROM generate_series(1, 2000) i;
	ALTER TABLE t ADD added text DEFAULT 'by default';});
$node->safe_psql('db', 'VACUUM FREEZE t');
$node->safe_psql(
	'db', q{
	INSERT INTO t SELECT i, 'committed' FROM generate_series(2001, 4000) i;
	BEGIN; INSERT INTO t VALUES (-1, 'aborted'); ROLLBACK;
	BEGIN; UPDATE t SET kind = 'update aborted' WHERE id % 10 = 1; ROLLBACK;
	BEGIN; DELETE FROM t WHERE id % 10 = 2; ROLLBACK;
	DELETE FROM t WHERE id % 10 = 3;
	UPDATE t SET kind = 'updated' WHERE id % 10 = 4;
	BEGIN;
	SAVEPOINT a; UPDATE t SET kind = 'kept' WHERE id % 10 = 5; RELEASE a;
	SAVEPOINT b; UPDATE t SET kind = 'undone' WHERE id % 10 = 6; ROLLBACK TO b;
	COMMIT;
	ALTER TABLE t ADD later bytea, ALTER later SET STORAGE external;
	UPDATE t SET later = convert_to(repeat(md5(id::text), 200), 'UTF8') WHERE id % 100 = 7;
	CREATE TABLE empty_end AS SELECT i, repeat('x', 500) FROM generate_series(1, 2000) i;
	DELETE FROM empty_end WHERE i > 200;});

# multixacts: rows that one session has locked and another updates
my $locker = new_session($node, 'db');
my $updater = new_session($node, 'db');
session_query($locker,
	'BEGIN; SELECT count(*) FROM (SELECT FROM t WHERE id % 10 = 7 FOR KEY SHARE) x'
);
session_query($updater,
	q{BEGIN; UPDATE t SET kind = 'updated, locked' WHERE id % 20 = 7; COMMIT}
);
session_query($updater,
	q{BEGIN; UPDATE t SET kind = 'not updated, locked' WHERE id % 20 = 17; ROLLBACK}
);
session_query($locker, 'COMMIT');

# in progress at the snapshot
my $open = new_session($node, 'db');
session_query(
	$open, q{
	BEGIN;
	INSERT INTO t VALUES (-2, 'in progress');
	SAVEPOINT a;
	UPDATE t SET kind = 'in progress' WHERE id % 10 = 8;
	RELEASE a;
	DELETE FROM t WHERE id % 10 = 9});

my $in_buffers =
  q{SELECT count(*) FROM pg_buffercache WHERE relfilenode IN (pg_relation_filenode('t'), pg_relation_filenode('empty_end'))};

my $before = dump_text($node, 'db');
foreach my $how ('in buffers', 'on disk')
{
	hold_pg_dump($node);
	my $id = start_backup($node, 'db', destination => $how, jobs => 1);
	wait_held($node);
	session_query($open, 'COMMIT') if $how eq 'in buffers';
	$node->safe_psql(
		'db', q{
		INSERT INTO t VALUES (-3, 'new');
		UPDATE t SET kind = 'new' WHERE id BETWEEN 100 AND 150;
		DELETE FROM t WHERE id BETWEEN 200 AND 250});
	my $holder = new_session($node, 'db');
	session_query($holder, 'BEGIN; LOCK TABLE t, empty_end');

	# more than there are buffers, and not through a ring
	$node->safe_psql(
		'db', q{
		CREATE TABLE filler (i int, t text);
		INSERT INTO filler SELECT i, repeat('x', 1000) FROM generate_series(1, 16000) i;
		DROP TABLE filler;}) if $how eq 'on disk';
	my $buffers = $node->safe_psql('db', $in_buffers);
	cmp_ok(
		$buffers, $how eq 'on disk' ? '==' : '>',
		0, "$how: that is where they are");

	release_pg_dump($node);
	is(wait_backup($node, $id), 'completed', "$how: completed")
	  or diag(history($node, $id, 'error'));
	same_text(archive_text($node, history($node, $id, 'destination')),
		$before, "$how: rows are those of the snapshot");
	cmp_ok($node->safe_psql('db', $in_buffers),
		'<=', $buffers, "$how: no pages are read into buffers");
	session_query($holder, 'COMMIT');
	$before = dump_text($node, 'db');
}

# VACUUM, which throws away the buffers of pages without writing them, and then
# cuts them off: in between the file has rows that were deleted.
$node->stop;
$node->append_conf('postgresql.conf',
	"shared_buffers = '64MB'\nbgwriter_lru_maxpages = 0");
start_with_held_writes($node);
create_db($node, 'cut',
	sql =>
	  q{CREATE TABLE t AS SELECT i, repeat('x', 500) FROM generate_series(1, 10000) i}
);
$node->safe_psql('cut', 'VACUUM t');
$node->safe_psql('cut', 'CHECKPOINT');
$node->safe_psql('cut', 'DELETE FROM t WHERE i > 10');
$before = dump_text($node, 'cut');
hold_writes('_truncation');
my $vacuum = new_session($node, 'cut');
$vacuum->query_until(qr/^vacuum$/m, "\\echo vacuum\nVACUUM t;\n");
held_writer('_truncation');
my $id = start_backup($node, 'cut', destination => 'cut', jobs => 1);
$node->poll_query_until('postgres',
	"SELECT relation = 'public.t' FROM backup_workers WHERE backup_id = $id AND role = 'worker'"
) or die 'no worker reads the table';
release_writes('_truncation');
$vacuum->quit;
is(wait_backup($node, $id), 'completed', 'VACUUM cuts pages off: completed');
same_text(archive_text($node, history($node, $id, 'destination')),
	$before, 'VACUUM cuts pages off: rows are those of the snapshot');

$node->stop;
done_testing();
