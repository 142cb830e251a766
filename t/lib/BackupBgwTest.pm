
# What the tests of backup_bgw share, on top of PostgreSQL::Test::Cluster.
#
# A node made by new_node() has a directory for backups of its own,
# $node->basedir/backups, and a stand-in for pg_dump which runs the real one and
# can be told to stop, or to fail, around it: see hold_pg_dump() and
# break_pg_dump().  A backup held so has its snapshot and has read the schema,
# but no table yet, for as long as a test likes: sessions that are begun while
# pg_dump is to be held have backup_bgw.overlap off.

package BackupBgwTest;

use strict;
use warnings;

use Exporter 'import';
use File::Basename qw(basename);
use File::Compare  qw(compare);
use File::Path     qw(rmtree);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(
  $kitchen_sink
  new_node major create_db backup_dir ls_backups quote_sql start_sql start_backup wait_backup
  backup_ok backup_fails start_fails history progress
  hold_pg_dump wait_held release_pg_dump break_pg_dump poll_perl
  start_in_background hold_worker release_worker orphans no_orphans
  built_in suffix_of plain_copy restore restore_ok dump_text archive_text same_text same_dump
  toc_list data_files stock_dump archives_equal data_files_equal verify_command
  new_session session_query session_error build_module
);

our $kitchen_sink = __FILE__;
$kitchen_sink =~ s{lib/[^/]*$}{kitchen_sink.sql};

my $unique = 0;

my $no_overlap = ' -c backup_bgw.overlap=off';

# Major version of the server.
sub major
{
	my ($node) = @_;
	my ($version) = `pg_config --version` =~ /(\d+)/;
	return $version;
}

sub backup_dir
{
	my ($node) = @_;
	return $node->basedir . '/backups';
}

# A running server.  Options: conf (more settings), extra (of initdb), start => 0.
sub new_node
{
	my ($name, %opt) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $dir = backup_dir($node);
	my $pg_dump = $node->basedir . '/pg_dump';

	$node->init(
		extra => [ '--locale=C', '--encoding=UTF8', @{ $opt{extra} || [] } ]);
	mkdir $dir or die "could not create \"$dir\": $!";
	my ($bindir) = `pg_config --bindir` =~ /(.*)/;
	append_to_file($pg_dump, <<"SCRIPT");
#!/bin/sh
cd "\$(dirname "\$0")" || exit 1
case "\$*" in *--version*|-V) exec '$bindir/pg_dump' "\$@" ;; esac
if [ -e break ]; then cat break >&2; exit 1; fi
if [ -e hold_before ]; then
	echo \$\$ >pid && mv pid held
	while [ -e hold_before ]; do sleep 0.02; done
	rm -f held
fi
if [ -e break_later ]; then exec '$bindir/pg_dump' "\$@" --table=no_such_table; fi
[ -e hold ] || exec '$bindir/pg_dump' "\$@"
# it fails, in order, if it was stopped
'$bindir/pg_dump' "\$@"
status=\$?
echo \$\$ >pid && mv pid held
while [ -e hold ]; do sleep 0.02; done
rm -f held
exit \$status
SCRIPT
	chmod 0755, $pg_dump or die "could not chmod \"$pg_dump\": $!";
	$node->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = 'backup_bgw'
max_worker_processes = 16
max_connections = 40
max_prepared_transactions = 4
wal_level = replica
max_wal_senders = 0
lc_messages = 'C'
backup_bgw.directory = '$dir'
backup_bgw.pg_dump_path = '$pg_dump'
CONF
	$node->append_conf('postgresql.conf', $opt{conf}) if defined $opt{conf};

	unless (defined $opt{start} && !$opt{start})
	{
		$node->start;
		$node->safe_psql('postgres', 'CREATE EXTENSION backup_bgw');
	}
	return $node;
}

# A database with the extension.  Options: options (of CREATE DATABASE), file, sql.
sub create_db
{
	my ($node, $db, %opt) = @_;
	my $quoted = $db =~ s/"/""/gr;
	$node->safe_psql('postgres',
		qq{CREATE DATABASE "$quoted" TEMPLATE template0 }
		  . ($opt{options} || ''));
	$node->safe_psql($db, 'CREATE EXTENSION backup_bgw') unless $opt{bare};
	if ($opt{file})
	{
		run_quietly(
			$node, 'psql', '-X', '-q',
			'-v', 'ON_ERROR_STOP=1', '-f', $opt{file},
			'-d', $node->connstr($db));
	}
	$node->safe_psql($db, $opt{sql}) if $opt{sql};
	return;
}

# Runs a command against the node; dies, with what it said, if it fails.
sub run_quietly
{
	my ($node, @cmd) = @_;
	my ($out, $err) = ('', '');
	local %ENV = $node->_get_env;
	IPC::Run::run(\@cmd, '>', \$out, '2>', \$err)
	  or die "command failed: @cmd\n$err";
	return $out;
}

sub quote_sql
{
	my ($value) = @_;
	return 'NULL' unless defined $value;
	return 'ARRAY[' . join(', ', map { quote_sql($_) } @$value) . ']::text[]'
	  if ref $value;
	return "E'" . ($value =~ s/(['\\])/\\$1/gr) . "'";
}

# The call of start_backup() with these arguments by name.
sub start_sql
{
	my (%args) = @_;
	return
		'start_backup('
	  . join(', ', map { "$_ => " . quote_sql($args{$_}) } sort keys %args)
	  . ')';
}

# Starts a backup, returns its id.  Its default destination is the test's own, as
# the server's is the same for all that start in the same second.
sub start_backup
{
	my ($node, $db, %args) = @_;
	$args{destination} = 'backup-' . ++$unique
	  unless exists $args{destination};
	return $node->safe_psql(
		$db,
		'SELECT ' . start_sql(%args),
		timeout => $PostgreSQL::Test::Utils::timeout_default);
}

# Waits for the end of a backup, returns its status.
sub wait_backup
{
	my ($node, $id) = @_;
	my $timeout = $PostgreSQL::Test::Utils::timeout_default - 10;
	return $node->safe_psql('postgres',
		"SET statement_timeout = 0; SELECT public.wait_backup($id, '$timeout s')"
	);
}

# A column, or any expression on columns, of the backup's row in the views.
sub history
{
	my ($node, $id, $column) = @_;
	return $node->safe_psql('postgres',
		"SELECT $column FROM public.backup_history WHERE backup_id = $id");
}

sub progress
{
	my ($node, $id, $column) = @_;
	return $node->safe_psql('postgres',
		"SELECT $column FROM public.backup_progress WHERE backup_id = $id");
}

# Makes a backup that must succeed; returns its directory.
sub backup_ok
{
	my ($node, $db, %args) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $name = delete $args{name} || "backup of $db";
	$args{destination} = 'backup-' . ++$unique
	  unless exists $args{destination};
	my $id = start_backup($node, $db, %args);
	my $status = wait_backup($node, $id);
	is($status, 'completed', $name)
	  or diag('error in the history: ' . history($node, $id, 'error'));
	return history($node, $id, 'destination');
}

# The backup must end as failed, with an error like $expected, and leave nothing.
sub backup_fails
{
	my ($node, $id, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(wait_backup($node, $id), 'failed', "$name: failed");
	like(history($node, $id, 'error'), $expected, "$name: error");
	my $destination = history($node, $id, 'destination');
	ok(!-e $destination && !-e "$destination.partial",
		"$name: nothing left on disk");
	return;
}

sub ls_backups
{
	my ($node) = @_;
	return join(' ', sort grep { !/^\.\.?$/ } slurp_dir(backup_dir($node)));
}

# start_backup() must raise the error, and leave nothing behind.  Options of
# $opt: role (to call it as), set (settings), sql (instead of start_backup()).
sub start_fails
{
	my ($node, $db, $args, $sqlstate, $expected, $name, %opt) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = ls_backups($node);
	my $history = $node->safe_psql($db, 'SELECT count(*) FROM backup_history')
	  unless $opt{not_loaded};
	my $sql = "\\set VERBOSITY verbose\n";
	$sql .= "SET $_;\n" for @{ $opt{set} || [] };
	$sql .= qq{SET ROLE "$opt{role}";\n} if $opt{role};
	$sql .= 'SELECT ' . ($opt{sql} || start_sql(%$args)) . ';';

	my ($ret, $stdout, $stderr) = $node->psql($db, $sql);
	my ($state) = $stderr =~ /ERROR:  ([0-9A-Z]{5}):/;
	is($state, $sqlstate, "$name: SQLSTATE") if defined $sqlstate;
	like($stderr, $expected, "$name: message");
	isnt($ret, 0, "$name: refused") unless defined $sqlstate;
	return if $opt{not_loaded};
	is( $node->safe_psql(
			$db,
			'SELECT (SELECT count(*) FROM backup_progress), (SELECT count(*) FROM backup_history)'
		),
		"0|$history",
		"$name: no backup shows");
	is(ls_backups($node), $before, "$name: nothing on disk");
	return;
}

# Waits until a Perl condition holds.
sub poll_perl
{
	my ($condition, $what) = @_;
	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if $condition->();
		usleep(50_000);
	}
	die "timed out waiting for: $what";
}

# From now on pg_dump does its work, but does not end before release_pg_dump().
# Such a backup stays in phase schema; wait_held() waits until it is there.
# With $before pg_dump does not begin before that.  Then the backup stays in
# phase starting, with its snapshot, and start_backup() does not return.
sub hold_pg_dump
{
	my ($node, $before) = @_;
	unlink $node->basedir . '/held';
	append_to_file($node->basedir . ($before ? '/hold_before' : '/hold'), '');
	$ENV{PGOPTIONS} = ($ENV{PGOPTIONS} || '') . $no_overlap;
	return;
}

# Returns the process ID of the stand-in for pg_dump.
sub wait_held
{
	my ($node) = @_;
	poll_perl(sub { -e $node->basedir . '/held' }, 'pg_dump to be held');
	return slurp_file($node->basedir . '/held') + 0;
}

sub release_pg_dump
{
	my ($node) = @_;
	unlink $node->basedir . "/$_" for qw(hold hold_before);
	$ENV{PGOPTIONS} =~ s/\Q$no_overlap\E//g if defined $ENV{PGOPTIONS};
	return;
}

# Calls start_backup() in a session of its own.  Returns the backup's id, once it
# has one, and the session, whose quit() waits until start_backup() returns.
# Option of $opt: set (settings).
sub start_in_background
{
	my ($node, $db, $args, %opt) = @_;
	my $session = new_session($node, $db);
	my $last = $node->safe_psql('postgres',
		'SELECT max(backup_id) FROM (SELECT backup_id FROM backup_progress UNION ALL SELECT backup_id FROM backup_history) b'
	) || 0;
	$session->query_until(qr/^calling$/m,
			join('', map { "SET $_;\n" } @{ $opt{set} || [] })
		  . "\\echo calling\nSELECT "
		  . start_sql(%$args)
		  . ";\n");
	my $id;
	poll_perl(
		sub {
			$id = $node->safe_psql('postgres',
				"SELECT min(backup_id) FROM backup_progress WHERE backup_id > $last AND datname = '$db'"
			);
			return $id ne '';
		},
		"a backup of $db to start");
	return ($id, $session);
}

# Stops the worker that reads a table, in the midst of it; the backup must have a
# max_rate.  It is stopped only where it sleeps for the sake of that, and so holds
# no lock but the one on the table.  Returns its process ID, or undef if nobody
# was met there before the backup ended.
sub hold_worker
{
	my ($node, $id, $table) = @_;
	my $session = new_session($node, 'postgres');
	my $worker =
	  "SELECT w.pid, a.wait_event_type FROM backup_workers w JOIN pg_stat_activity a USING (pid) WHERE backup_id = $id AND relation = '$table' AND bytes_done > 0";
	my $held;
	poll_perl(
		sub {
			my ($pid) = split /\|/, session_query($session, $worker);
			if ($pid)
			{
				kill 'STOP', $pid;
				if (session_query($session, $worker) eq "$pid|Extension")
				{
					$held = $pid;
					return 1;
				}
				kill 'CONT', $pid;
			}
			return session_query($session,
				"SELECT count(*) FROM backup_progress WHERE backup_id = $id")
			  eq '0';
		},
		"a worker to read $table");
	$session->quit;
	return $held;
}

sub release_worker
{
	my ($pid) = @_;
	kill 'CONT', $pid or die "worker $pid is gone";
	return;
}

# From now on pg_dump fails: before it connects with the message given, or
# ($later) by itself, after it has connected.  Without a message it works again.
sub break_pg_dump
{
	my ($node, $message, $later) = @_;
	unlink $node->basedir . "/$_" for qw(break break_later);
	append_to_file($node->basedir . ($later ? '/break_later' : '/break'),
		$message)
	  if defined $message;
	return;
}

# Paths of the files in a directory whose names match.
sub files_in
{
	my ($dir, $pattern) = @_;
	return map { "$dir/$_" } sort grep { /$pattern/ } slurp_dir($dir);
}

# Suffixes of compressed files, and what decompresses many such in place.
my %decompress = (
	lz4 => [ 'lz4', '-d', '-m', '-q', '--rm' ],
	zst => [ 'zstd', '-d', '-q', '--rm' ],
	gz => [ 'gzip', '-d' ]);

# Those compressions that this build has, with any level; the programs that
# decompress must be there, too.
sub built_in
{
	my ($node, @compressions) = @_;
	my %missing;
	foreach my $codec (qw(zstd gzip))
	{
		my ($ret, $out, $err) =
		  $node->psql('postgres',
			'SELECT ' . start_sql(compression => "$codec:x"));
		$missing{$codec} = 1 if $err =~ /does not support compression/;
	}
	note("not built in: $_") foreach sort keys %missing;
	return grep { !$missing{s/:.*//r} } @compressions;
}

# Suffix of data files with this compression.
sub suffix_of
{
	my ($compression) = @_;
	return {
		none => '',
		lz4 => '.lz4',
		zstd => '.zst',
		gzip => '.gz'
	}->{ $compression =~ s/:.*//r };
}

# A copy of an archive with its files decompressed.
sub plain_copy
{
	my ($archive) = @_;
	my $copy = "$archive.plain-" . ++$unique;
	PostgreSQL::Test::RecursiveCopy::copypath($archive, $copy);
	foreach my $suffix (sort keys %decompress)
	{
		my @files = files_in($copy, qr/\.$suffix$/);
		while (my @some = splice(@files, 0, 500))
		{
			IPC::Run::run([ @{ $decompress{$suffix} }, @some ])
			  or die "could not decompress files of \"$archive\"";
		}
	}
	return $copy;
}

# The directory that this server's pg_restore can read: up to version 15 it
# knows gzip only.
sub restorable
{
	my ($node, $archive) = @_;
	my @compressed = files_in($archive, qr/\.(lz4|zst)$/);
	return $archive if major($node) >= 16 || !@compressed;
	return plain_copy($archive);
}

# Runs pg_restore, returns (success, stderr).  The database is made if need be.
# In parallel, stock pg_restore may deadlock with itself over indexes of
# partitions; a new database is then restored anew.
sub restore
{
	my ($node, $archive, $db, @options) = @_;
	my $dir = restorable($node, $archive);
	my $new = $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_database WHERE datname = '$db'") eq '0';
	my ($ok, $err);
	for (1 .. 3)
	{
		$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0")
		  if $new;
		$err = '';
		local %ENV = $node->_get_env;
		$ok = IPC::Run::run([ 'pg_restore', '-d', $db, @options, $dir ],
			'2>', \$err);
		last if !$new || $err !~ /ERROR:  deadlock detected/;
		note("pg_restore deadlocked with itself: $err");
		$node->safe_psql($db, $_)
		  for split /\n/, $node->safe_psql(
			$db, q{SELECT format(
			'ALTER SUBSCRIPTION %1$I DISABLE; ALTER SUBSCRIPTION %1$I SET (slot_name = NONE); DROP SUBSCRIPTION %1$I', subname)
			FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())}
		  );
		$node->safe_psql('postgres', "DROP DATABASE $db");
	}
	rmtree($dir) if $dir ne $archive;
	return ($ok, $err);
}

sub restore_ok
{
	my ($node, $archive, $db, @options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($ok, $err) = restore($node, $archive, $db, @options);
	ok($ok && $err eq '', "pg_restore @options") or diag($err);
	return;
}

# Newer minor releases write lines with a random key.
sub without_key
{
	my ($text) = @_;
	$text =~ s/^\\(un)?restrict .*\n//mg;
	return $text;
}

# All of a database as text.
sub dump_text
{
	my ($node, $db, @options) = @_;
	return without_key(run_quietly($node, 'pg_dump', @options, $db));
}

# An archive as text.
sub archive_text
{
	my ($node, $archive, @options) = @_;
	my $dir = restorable($node, $archive);
	my $text =
	  without_key(
		run_quietly($node, 'pg_restore', '-f', '-', @options, $dir));
	rmtree($dir) if $dir ne $archive;
	return $text;
}

# is() for long texts: shows the first differences only.
sub same_text
{
	my ($got, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return pass($name) if $got eq $expected;
	fail($name);
	my $dir = PostgreSQL::Test::Utils::tempdir();
	append_to_file("$dir/got", $got);
	append_to_file("$dir/expected", $expected);
	my $diff = '';
	IPC::Run::run([ 'diff', '-U2', '--text', "$dir/expected", "$dir/got" ],
		'>', \$diff);
	my @lines = map { substr($_, 0, 200) } split /\n/, $diff;
	splice(@lines, 40, $#lines, '...') if @lines > 40;
	diag(join "\n", @lines);
	return 0;
}

# Two databases must have the same dump.
sub same_dump
{
	my ($node, $db, $expected_db, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return same_text(
		dump_text($node, $db),
		dump_text($node, $expected_db),
		$name || "$db has the same dump as $expected_db");
}

# Entries of an archive as pg_restore -l lists them.
sub toc_list
{
	my ($node, $archive) = @_;
	return grep { /^\d/ } split /\n/,
	  run_quietly($node, 'pg_restore', '-l', $archive);
}

# { "table oid, schema and name" => [ names of its data files, in order ] },
# without compression suffix.
sub data_files
{
	my ($node, $archive) = @_;
	my %files;
	foreach (toc_list($node, $archive))
	{
		push @{ $files{"$2 $3"} }, "$1.dat"
		  if /^(\d+); (\d+ \d+) TABLE DATA (.*)$/;
	}
	return \%files;
}

# The directory that stock pg_dump makes of a database, with these options.
sub stock_dump
{
	my ($node, $db, @options) = @_;
	my $stock = $node->basedir . '/stock-' . ++$unique;
	run_quietly(
		$node, 'pg_dump', '-Fd', '-Z0',
		'--no-sync', '-f', $stock, @options,
		$db);
	return $stock;
}

# Every table's data, and every large object, must be byte for byte what stock
# pg_dump writes for the database; also the lists of contents must be the same, but
# for the numbers of entries, as pg_dump counts the leader's temporary table.
sub data_files_equal
{
	my ($node, $db, $archive, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $stock = stock_dump($node, $db);
	same_text(
		join("\n", toc_list($node, $archive)),
		join("\n", toc_list($node, $stock)),
		"$name: same table of contents");
	same_files($node, $archive, $stock, $name);
	rmtree($stock);
	return;
}

# The same for what pg_dump has written before.  Here the numbers of entries may
# differ, as pg_dump numbers them in the order in which it finds rows in catalogs.
sub archives_equal
{
	my ($node, $archive, $stock, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	same_text(
		archive_text($node, $archive),
		archive_text($node, $stock),
		"$name: same text");
	same_files($node, $archive, $stock, $name);
	return;
}

sub same_files
{
	my ($node, $archive, $stock, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $plain = plain_copy($archive);
	my $ours = data_files($node, $plain);
	my $theirs = data_files($node, $stock);
	my @differ = grep { !$ours->{$_} } sort keys %$theirs;
	foreach my $table (sort keys %$ours)
	{
		my @files = @{ $ours->{$table} };
		my $expected = $theirs->{$table};
		push @differ, $table
		  unless $expected
		  && @files == 1
		  && compare("$plain/$files[0]", "$stock/$expected->[0]") == 0;
	}
	is(join("\n", @differ),
		'', "$name: " . keys(%$theirs) . ' data files equal');

	my @blobs = map { basename($_) } files_in($stock, qr/^blob/);
	my @our_blobs = map { basename($_) } files_in($plain, qr/^blob/);
	is("@our_blobs", "@blobs", "$name: same files of large objects");
	is(join(' ', grep { compare("$plain/$_", "$stock/$_") != 0 } @blobs),
		'', "$name: large objects equal");
	rmtree($plain);
	return;
}

# pg_verifybackup for one of our archives.
sub verify_command
{
	my ($node, $archive) = @_;
	return ('pg_verifybackup', '-n',
		(major($node) >= 18 ? ('-F', 'plain') : ()), $archive);
}

# A session of background_psql(), with a timeout for each query.
sub new_session
{
	my ($node, $db) = @_;
	my $session = $node->background_psql($db, on_error_stop => 0);
	$session->set_query_timer_restart;
	return $session;
}

# Runs SQL in such a session: must work / may fail, returns the error.
sub session_query
{
	my ($session, $sql) = @_;
	$session->{stderr} = '';
	my $out = $session->query($sql);
	die "query failed: $sql\n$session->{stderr}"
	  if $session->{stderr} =~ /ERROR|FATAL/;
	return $out;
}

sub session_error
{
	my ($session, $sql) = @_;
	$session->{stderr} = '';
	$session->query($sql);
	my $err = $session->{stderr};
	$session->{stderr} = '';
	return $err;
}

# Compiles a library of t/modules for the server; returns its path, for
# shared_preload_libraries.
sub build_module
{
	my ($name) = @_;
	my $source = __FILE__ =~ s{lib/[^/]*$}{modules/$name.c}r;
	my $library = PostgreSQL::Test::Utils::tempdir() . "/$name.so";
	my %config = map { /^(\S+) = (.*)$/ ? ($1 => $2) : () } `pg_config`;
	my $err;
	IPC::Run::run(
		[
			split(' ', $config{CC}),
			split(' ', $config{CPPFLAGS}),
			qw(-g -O0 -fPIC -shared -fwrapv -fno-strict-aliasing),
			'-I' . $config{'INCLUDEDIR-SERVER'},
			'-o',
			$library,
			$source
		],
		'2>',
		\$err) or die "could not build $name:\n$err";
	return $library;
}

# Files in a database's directories that belong to no relation of it, and
# relations whose file is not there.  Nothing may be writing.  Empty files of
# what was dropped go at the next checkpoint, on a standby at the next
# restartpoint, for which there must be a checkpoint of the primary.  There,
# unlogged relations have their init fork only.
sub orphans
{
	my ($node, $db) = @_;
	my $data = $node->data_dir;
	my (%expected, %found);

	$node->safe_psql('postgres', 'CHECKPOINT');
	my ($oid, $recovery) = split /\|/,
	  $node->safe_psql('postgres',
		"SELECT oid, pg_is_in_recovery() FROM pg_database WHERE datname = '$db'"
	  );
	my $exists = $recovery eq 't' ? qr/^\d+(_init)?$/ : qr/^\d+$/;
	foreach (
		split /\n/,
		$node->safe_psql(
			$db, q{
		SELECT pg_relation_filepath(oid), translate(oid::regclass::text, E'|\n', '  ') FROM pg_class
		 WHERE pg_relation_filepath(oid) !~ '^global/' AND relpersistence <> 't'}))
	{
		my ($path, $relation) = split /\|/;
		$expected{$path} = $relation;
	}
	foreach my $dir (grep { -d "$data/$_" } "base/$oid",
		map { s{^\Q$data\E/}{}r } glob("$data/pg_tblspc/*/PG_*/$oid"))
	{
		foreach my $file (slurp_dir("$data/$dir"))
		{
			next
			  if $file =~
			  /^(\.\.?|PG_VERSION|pg_internal\.init.*|pg_filenode\.map|t\d+_\d+.*)$/;
			push @{
				$found{
					"$dir/" . ($file =~ s/^(\d+)(_[a-z]+)?(\.\d+)?$/$1/r)
				}
			  },
			  $file;
		}
	}
	return (
		(   map  { "$db: $_ belongs to no relation" }
			grep { !$expected{$_} } sort keys %found),
		(   map { "$db: $_ of $expected{$_} is missing" } grep {
				!grep { /$exists/ }
				  @{ $found{$_} || [] }
			} sort keys %expected));
}

# There must be no such file in these databases, or in any, not for long.
sub no_orphans
{
	my ($node, $name, @dbs) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	@dbs = split /\n/,
	  $node->safe_psql('postgres',
		q{SELECT datname FROM pg_database WHERE datallowconn ORDER BY oid})
	  unless @dbs;
	my @orphans;
	for (1 .. 100)
	{
		@orphans = map { orphans($node, $_) } @dbs;
		last unless @orphans;
		# only those can be better the next time
		my %again = map { /^(.*?): / ? ($1 => 1) : () } @orphans;
		@dbs = grep { $again{$_} } @dbs;
		usleep(100_000);
	}
	is(join("\n", @orphans), '', $name);
	return;
}

1;
