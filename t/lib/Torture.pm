
# A storm of DDL and DML, backups in it, and a look at each of them restored.
#
# The storm is pgbench, with a script for each kind of change below.  What the
# database is like at any moment, and how one sees whether a copy of it is
# consistent, is said in t/torture.sql.

package Torture;

use strict;
use warnings;

use Exporter 'import';
use File::Path qw(rmtree);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use BackupBgwTest;

our @EXPORT = qw(torture);

my %configurations = (
	default => { conf => '' },
	# most of what can be different below the tables
	logical => {
		extra => ['--data-checksums'],
		conf =>
		  "wal_level = logical\nfull_page_writes = on\nwal_log_hints = on\nshared_buffers = 1MB\n"
	});

# Catalogs that DDL and backups use all the time; VACUUM FULL and REINDEX give
# them new files.
my $catalogs = join ', ', map { "'$_'" } qw(
  pg_attrdef pg_description pg_largeobject pg_largeobject_metadata pg_class pg_attribute
  pg_type pg_proc pg_index pg_constraint pg_depend pg_rewrite pg_trigger pg_sequence
  pg_inherits pg_enum pg_statistic pg_namespace pg_partitioned_table pg_shdescription);

# Claims a slot: sets :k.  Nobody waits here, so claims cause no deadlocks.
sub claim
{
	my ($function) = @_;
	return
	  "SELECT k FROM (SELECT k FROM truth ORDER BY random() OFFSET 0) t WHERE $function(k) LIMIT 1 \\gset\n";
}

# Changes of slot :k in a transaction.  [ weight, SQL ]; :n is a number of rows,
# :x any number.  pgbench puts its variables in everywhere.
my $load = 'SELECT fill(:k, :n);';
my %changes = (
	insert => [ 2, $load ],
	update => [ 3, 'UPDATE w:k SET v = v + 1 WHERE v % 7 = :x % 7;' ],
	delete => [ 2, 'DELETE FROM w:k WHERE v % 3 = :x % 3;' ],
	truncate => [ 4, "TRUNCATE w:k;\n$load" ],
	truncate_all => [ 2, "TRUNCATE w:k, c:k, p:k;\n$load" ],
	drop_create =>
	  [ 4, 'DROP TABLE w:k CASCADE; SELECT make_table(:k, :n);' ],
	replace => [
		2,
		"ALTER TABLE w:k RENAME TO old:client_id; DROP INDEX IF EXISTS id_w:k;\n"
		  . "SELECT make_table(:k, :n);\nDROP TABLE old:client_id CASCADE;"
	],
	drop_schema => [
		1,
		"CREATE SCHEMA old:client_id; ALTER TABLE w:k SET SCHEMA old:client_id;\n"
		  . "DROP SCHEMA old:client_id CASCADE;\nSELECT make_table(:k, :n);"
	],
	type_int =>
	  [ 1, 'ALTER TABLE w:k ALTER id TYPE int USING CAST(id AS int);' ],
	type_numeric => [
		1, 'ALTER TABLE w:k ALTER id TYPE numeric USING CAST(id AS numeric);'
	],
	type_text => [ 1, 'ALTER TABLE w:k ALTER id TYPE text;' ],
	column => [
		3,
		"ALTER TABLE w:k DROP COLUMN IF EXISTS extra;\n"
		  . "ALTER TABLE w:k ADD COLUMN new float8 DEFAULT random();\nALTER TABLE w:k RENAME new TO extra;"
	],
	drop_column => [ 1, 'ALTER TABLE w:k DROP COLUMN IF EXISTS extra;' ],
	index =>
	  [ 2, 'DROP INDEX IF EXISTS id_w:k; CREATE INDEX id_w:k ON w:k (id);' ],
	reindex => [ 1, 'REINDEX TABLE w:k;' ],
	cluster => [
		2,
		"CREATE INDEX IF NOT EXISTS id_w:k ON w:k (id);\nCLUSTER w:k USING id_w:k;"
	],
	tablespace => [ 2, 'ALTER TABLE w:k SET TABLESPACE space;' ],
	tablespace_back => [ 1, 'ALTER TABLE w:k SET TABLESPACE pg_default;' ],
	unlogged => [ 1, 'ALTER TABLE w:k SET UNLOGGED;' ],
	logged => [ 1, 'ALTER TABLE w:k SET LOGGED;' ],
	partition => [ 4, 'SELECT repartition(:k); SELECT repartition(:k);' ],
	sequence => [ 2, 'ALTER SEQUENCE s:k INCREMENT BY :n RESTART WITH :x;' ],
	drop_sequence =>
	  [ 1, 'DROP SEQUENCE s:k; CREATE SEQUENCE s:k START WITH :x;' ],
	enum => [ 2, 'DROP TABLE c:k; DROP TYPE e:k; SELECT make_enum(:k);' ],
	catalog_table => [
		1,
		"TRUNCATE c:k; INSERT INTO c:k SELECT g, 'other' FROM generate_series(1, :n) g;"
	],
	large_object => [
		1,
		"SELECT lo_unlink(1000 + :k); SELECT lo_from_bytea(1000 + :k, 'replaced by :x');"
	],
	savepoints => [
		3,
		"SAVEPOINT a; TRUNCATE w:k; INSERT INTO w:k VALUES (0, 5, NULL);\n"
		  . "SAVEPOINT b; DROP TABLE w:k CASCADE; SELECT make_table(:k, 10);\n"
		  . "ROLLBACK TO a; ALTER TABLE w:k ADD COLUMN IF NOT EXISTS extra float8;\n"
		  . "SAVEPOINT c; TRUNCATE w:k; RELEASE c; $load SAVEPOINT d; DROP TABLE p:k; ROLLBACK TO d;"
	],
	# rows of pg_class move about, while a sweep looks for files
	rename => [
		4,
		join "\n",
		(   "ALTER TABLE w:k RENAME TO moving:client_id; ALTER TABLE moving:client_id RENAME TO w:k;"
		) x 10
	],
	slow => [ 1, "TRUNCATE w:k;\n$load\n\\sleep :x us\n" ]);

# What is a script of its own, or cannot be in a transaction.
my $claim = claim('pg_try_advisory_lock');
my $unclaim = "SELECT pg_advisory_unlock_all();\n";
my $begin = "BEGIN;\n" . claim('pg_try_advisory_xact_lock');
my %others = (
	rollback => [
		2,
		"${begin}DROP TABLE w:k CASCADE; SELECT make_table(:k, :n); TRUNCATE c:k; SELECT record(:k, 'none');\nROLLBACK;\n"
	],
	two_phase => [
		3,
		"${begin}TRUNCATE w:k; $load DROP TABLE c:k; DROP TYPE e:k; SELECT make_enum(:k);\nSELECT record(:k, 'two_phase');\n"
		  . "PREPARE TRANSACTION 'storm :client_id';\n\\sleep :ms ms\nCOMMIT PREPARED 'storm :client_id';\n"
	],
	two_phase_rollback => [
		1,
		"${begin}TRUNCATE w:k; $load SELECT record(:k, 'none');\n"
		  . "PREPARE TRANSACTION 'storm :client_id';\n\\sleep :ms ms\nROLLBACK PREPARED 'storm :client_id';\n"
	],
	vacuum_full => [ 3, "${claim}VACUUM FULL w:k;\n$unclaim" ],
	vacuum_full_all =>
	  [ 1, "${claim}VACUUM FULL ANALYZE w:k, c:k;\n$unclaim" ],
	vacuum => [
		2, "${claim}DELETE FROM w:k WHERE false;\nVACUUM w:k, c:k;\n$unclaim"
	],
	# in-place updates of pg_class, and the end of the file is cut off
	vacuum_bare => [
		3,
		"${claim}BEGIN;\nDROP INDEX IF EXISTS id_w:k; DROP TRIGGER IF EXISTS bump ON w:k;\n"
		  . "DELETE FROM w:k WHERE v % 2 = 0 OR length(pad) > 1000;\nSELECT record(:k, 'vacuum_bare');\nCOMMIT;\nVACUUM w:k;\n$unclaim"
	],
	# PostgreSQL leaves rows in the table whose TOAST is not in the new index,
	# having been deleted before; while a transaction runs that is older than
	# that, VACUUM FULL and CLUSTER would stumble over them
	reindex_concurrently => [
		2,
		"${claim}REINDEX TABLE CONCURRENTLY w:k;\nBEGIN; TRUNCATE w:k; $load\nSELECT record(:k, 'reindex_concurrently');\nCOMMIT;\n$unclaim"
	],
	index_concurrently => [
		2,
		"${claim}DROP INDEX CONCURRENTLY IF EXISTS concurrent_w:k;\nCREATE INDEX CONCURRENTLY concurrent_w:k ON w:k (v);\n$unclaim"
	],
	catalog_vacuum_full => [
		2,
		"SELECT pg_try_advisory_lock(0) AS mine, c AS catalog FROM unnest(ARRAY[$catalogs]) c ORDER BY random() LIMIT 1 \\gset\n"
		  . "\\if :mine\nVACUUM FULL :catalog;\n\\endif\n$unclaim"
	],
	catalog_reindex => [
		2,
		"SELECT pg_try_advisory_lock(0) AS mine, c AS catalog FROM unnest(ARRAY[$catalogs]) c ORDER BY random() LIMIT 1 \\gset\n"
		  . "\\if :mine\nREINDEX TABLE :catalog;\n\\endif\n$unclaim"
	],
	refresh => [ 1, "REFRESH MATERIALIZED VIEW versions;\n" ],
	refresh_concurrently =>
	  [ 1, "REFRESH MATERIALIZED VIEW CONCURRENTLY versions;\n" ],
	scratch => [
		3,
		"CREATE TABLE scratch:client_id AS SELECT g, repeat('s', 3000) AS s FROM generate_series(1, :n) g;\n"
		  . "TRUNCATE scratch:client_id; DROP TABLE scratch:client_id;\n"
		  . "BEGIN; CREATE TEMP TABLE scratch ON COMMIT DROP AS SELECT * FROM bank; COMMIT;\n"
	],
	transfer => [
		10,
		"UPDATE bank SET balance = balance + :n * CASE id WHEN 1 + :n % 50 THEN 1 ELSE -1 END\n"
		  . "WHERE id IN (1 + :n % 50, 1 + (:n + 1 + :x % 49) % 50);\n"
	],
	bank_reload => [
		1,
		"BEGIN; LOCK TABLE bank; CREATE TEMP TABLE copy ON COMMIT DROP AS SELECT * FROM bank;\n"
		  . "TRUNCATE bank; INSERT INTO bank SELECT * FROM copy; COMMIT;\n"
	],
	log_rewrite => [ 1, "VACUUM FULL log;\n" ],
	# one of two that do this at once fails when it has passed the guard, and is
	# tried again
	serializable => [
		2,
		"BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT sum(balance) FROM bank;\n"
		  . "TRUNCATE late:client_id; INSERT INTO late:client_id SELECT generate_series(1, 100);\n"
		  . "UPDATE bank SET balance = balance + :n * CASE id WHEN 1 + :n % 50 THEN 1 ELSE -1 END\n"
		  . "WHERE id IN (1 + :n % 50, 1 + (:n + 1 + :x % 49) % 50);\nCOMMIT;\n"
	],
	# a table is dropped by cascade, after the callbacks of the commit
	on_commit_drop => [
		2,
		"BEGIN;\nCREATE TEMPORARY TABLE scratch (i int) ON COMMIT DROP;\n"
		  . "CREATE FUNCTION key:client_id(i int, s text DEFAULT NULL::scratch::text) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT i';\n"
		  . "CREATE TABLE parted:client_id (i int) PARTITION BY RANGE (key:client_id(i, ''));\n"
		  . "ALTER TABLE parted:client_id ATTACH PARTITION late:client_id FOR VALUES FROM (1) TO (10000);\nCOMMIT;\n"
		  . "SELECT make_late(:client_id);\n"
	]);

# From 19 on.  In the small tables CONCURRENTLY meets all that the storm does.
my %repack = (
	repack => [ 2, "${claim}REPACK w:k;\n$unclaim" ],
	repack_index => [
		1,
		"${claim}CREATE INDEX IF NOT EXISTS id_w:k ON w:k (id);\nREPACK w:k USING INDEX id_w:k;\n$unclaim"
	],
	repack_concurrently => [
		2,
		"SELECT pg_try_advisory_lock(-1) AS mine \\gset\n"
		  . "\\if :mine\nREPACK (CONCURRENTLY) log;\nREPACK (CONCURRENTLY) bank;\n\\endif\n$unclaim"
	]);
my ($version) = `pg_config --version` =~ /(\d+)/;
%others = (%others, %repack) if $version >= 19;

# The scripts as options of pgbench.
sub scripts
{
	my ($node) = @_;
	my $dir = $node->basedir . '/scripts';
	my @options;
	my %sql = %others;

	foreach my $kind (keys %changes)
	{
		my ($weight, $change) = @{ $changes{$kind} };
		$sql{$kind} = [
			$weight,
			"$begin$change\nSELECT record(:k, '$kind');\n\\sleep :ms ms\nCOMMIT;\n"
		];
	}
	mkdir $dir or die "could not create \"$dir\": $!";
	foreach my $kind (sort keys %sql)
	{
		my ($weight, $sql) = @{ $sql{$kind} };
		append_to_file("$dir/$kind",
			"\\set n random(1, 1000)\n\\set x random(1, 3000000)\n\\set ms random(0, 10) * random(0, 10)\n$sql"
		);
		push @options, '-f', "$dir/$kind\@$weight";
	}
	return @options;
}

# Starts the storm; it ends after so many seconds.  All it says goes to files.
sub start_storm
{
	my ($node, $seconds) = @_;
	my $base = $node->basedir;
	local %ENV = $node->_get_env(
		PGOPTIONS => '-c statement_timeout=60s -c client_min_messages=error');

	my $storm = IPC::Run::start(
		[
			'pgbench', '-n', '-c', '5', '-j', '2', '-T', $seconds,
			'--max-tries=100', scripts($node), 'storm'
		],
		'>',
		"$base/storm.out",
		'2>',
		"$base/storm.err");
	return $storm;
}

# { kind => transactions }, and what went wrong.
sub storm_result
{
	my ($node) = @_;
	my %done;
	my $kind;
	my $out = slurp_file($node->basedir . '/storm.out');
	foreach (split /\n/, $out)
	{
		$kind = $1 if m{^SQL script \d+: .*/(\w+)$};
		$done{$kind} = $1 if $kind && /^ - (\d+) transactions/;
	}
	my ($retried) = $out =~ /^total number of retries: (\d+)/m;
	my @errors = grep { !/^pgbench: pghost|^pgbench \(/ } split /\n/,
	  slurp_file($node->basedir . '/storm.err');
	return (\%done, $retried || 0, join "\n", @errors);
}

# Verifies an archive, restores it, and lets wrong() have a look.  Returns what
# is wrong.
sub check_archive
{
	my ($node, $archive) = @_;
	my ($out, $err) = ('', '');
	my @options = rand() < 0.5 ? ('-j', '2') : ('-e');

	IPC::Run::run([ verify_command($node, $archive) ],
		'>', \$out, '2>', \$err)
	  or return "pg_verifybackup: $out$err";
	(my $ok, $err) = restore($node, $archive, 'restored', @options);
	return "pg_restore @options: $err" unless $ok && $err eq '';
	my $wrong = $node->safe_psql('restored', 'SELECT wrong()');
	$node->safe_psql('postgres', 'DROP DATABASE restored');
	return $wrong;
}

sub pick { return $_[ int rand @_ ]; }

# Opens a session as of a backup's snapshot, with a cursor that it is not yet
# through with for a while.
sub look_as_of
{
	my ($node, $id) = @_;
	my ($table, $seconds) = (pick(map { "w$_" } 1 .. 8), rand 0.3);
	my %look = (err => '');

	local %ENV = $node->_get_env(PGOPTIONS => '-c lock_timeout=10s');
	$look{run} = IPC::Run::start(
		[ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', 'storm' ],
		'<',
		\qq{BEGIN ISOLATION LEVEL REPEATABLE READ;
			SET TRANSACTION SNAPSHOT 'backup_bgw:$id';
			DECLARE c CURSOR FOR SELECT * FROM $table, pg_class;
			FETCH 10 FROM c;
			SELECT pg_sleep($seconds);
			FETCH 10 FROM c;
			SELECT count(*) FROM $table;
			COMMIT;},
		'>',
		\my $out,
		'2>',
		\$look{err});
	return \%look;
}

# What went wrong in such sessions that should not.
sub looks_ended
{
	my @errors;
	foreach my $look (@_)
	{
		$look->{run}->finish;
		push @errors, grep {
			/ERROR|FATAL/
			  && !
			  / are gone$| is not running$|the snapshot of the backup is gone|deadlock detected|lock timeout/
		} split /\n/, $look->{err};
	}
	return @errors;
}

# Backups one after another, often two at once, some of them cancelled, while
# the storm goes on.  Those completed are checked while the next ones run.
sub backups_in_storm
{
	my ($node, $storm) = @_;
	my %count = map { $_ => 0 }
	  qw(completed cancelled limited failed checked wrong looks);
	my ($number, @to_check) = (0);
	my @codecs = built_in($node, 'zstd', 'gzip');

	my $check = sub {
		my $archive = shift @to_check;
		my $wrong = check_archive($node, $archive);
		$count{checked}++;
		# a bad one is kept to be looked at
		return rmtree($archive) if $wrong eq '';
		$count{wrong}++;
		diag("$archive: $wrong");
		$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS restored');
	};

	# on a slow machine a few more than the storm has time for
	while ($storm->pumpable || ($count{completed} < 2 && !$count{failed}))
	{
		my (@ids, %cancel, %limited, @looks);
		foreach (1 .. pick(1, 1, 2))
		{
			my $limit = rand() < 0.15 ? '300kB' : '0';
			my ($ret, $id, $err) = $node->psql(
				'storm',
				"SET backup_bgw.max_preserved_size = '$limit'; SELECT "
				  . start_sql(
					destination => 'torture-' . ++$number,
					jobs => pick(1, 2, 3),
					compression => pick('lz4', 'lz4', 'none', @codecs),
					max_rate => pick(undef, '4MB', '10MB')));
			if ($ret != 0 && $limit && $err =~ /max_preserved_size/)
			{
				$count{limited}++;
				next;
			}
			if ($ret != 0)
			{
				diag("start_backup: $err");
				$count{failed}++;
				next;
			}
			push @ids, $id;
			$cancel{$id} = 1 if rand() < 0.2;
			$limited{$id} = 1 if $limit;
			push @looks, look_as_of($node, $id) if rand() < 0.5;
		}
		usleep(int rand 500_000) if %cancel;
		$node->safe_psql('storm', "SELECT cancel_backup($_)")
		  for keys %cancel;

		$check->() while @to_check;
		foreach my $id (@ids)
		{
			my $status = wait_backup($node, $id);
			# one that was to be cancelled may have been faster
			$status = 'failed' if $status eq 'cancelled' && !$cancel{$id};
			$status = 'limited'
			  if $status eq 'failed'
			  && $limited{$id}
			  && history($node, $id, 'error') =~ /max_preserved_size/;
			$count{$status}++;
			diag("backup $id: " . history($node, $id, 'error'))
			  if $status eq 'failed';
			push @to_check, history($node, $id, 'destination')
			  if $status eq 'completed';
		}
		$count{looks} += @looks;
		my @errors = looks_ended(@looks);
		$count{failed} += @errors;
		diag("as of a snapshot: $_") foreach @errors;
	}
	$check->() while @to_check;
	return %count;
}

# Tortures a server of one of the configurations for so many seconds.
sub torture
{
	my ($name, $seconds) = @_;
	my $configuration = $configurations{$name}
	  or die "no configuration \"$name\"";
	my $node = new_node(
		$name,
		extra => $configuration->{extra},
		conf => $configuration->{conf} . <<'CONF');
log_error_verbosity = verbose
autovacuum_naptime = 1s
allow_in_place_tablespaces = on
max_prepared_transactions = 10
max_locks_per_transaction = 256
deadlock_timeout = 100ms
backup_bgw.prepared_transactions = 'wait'
backup_bgw.slice_size = 1MB
CONF
	$node->safe_psql('postgres', q{CREATE TABLESPACE space LOCATION ''});
	create_db($node, 'storm', file => "$FindBin::RealBin/torture.sql");

	my $storm = start_storm($node, $seconds);
	$node->poll_query_until('storm', 'SELECT sum(version) > 30 FROM truth')
	  or die 'the storm does not begin';
	my %count = backups_in_storm($node, $storm);
	my $ended = $storm->finish;
	my ($done, $retries, $errors) = storm_result($node);

	ok($ended && $errors eq '', "$name: no DDL or DML failed")
	  or diag($errors);
	is(join(' ', grep { !$done->{$_} } sort keys %changes, keys %others),
		'', "$name: every kind of change took place")
	  if $seconds >= 60;
	is($node->safe_psql('storm', 'SELECT wrong()'),
		'', "$name: the storm kept its own rules");
	cmp_ok($count{completed}, '>', 1, "$name: backups were completed");
	is($count{failed}, 0, "$name: none failed");
	is($count{wrong}, 0,
		"$name: those completed could be restored, and are as of one moment");
	is($node->safe_psql('storm', 'SELECT count(*) FROM backup_progress'),
		'0', "$name: no backup is left running");
	is(join(' ', slurp_dir(backup_dir($node))) =~ s/(^| )\.\.?(?= |$)//gr,
		'', "$name: no directory is left behind")
	  unless $count{wrong};
	# what was prepared when the last backup ended, the next one looks after
	backup_ok(
		$node, 'storm',
		destination => 'after',
		name => "$name: a backup after the storm");
	no_orphans($node, "$name: no file is left behind");
	unlike(
		slurp_file($node->logfile),
		qr/PANIC|TRAP|was terminated by signal|leaked?\b/,
		"$name: nothing crashed or leaked");
	$node->stop;

	my $total = 0;
	$total += $_ for values %$done;
	note(
		"$name: transactions by kind: " . join ', ',
		map { "$_ $done->{$_}" } sort keys %$done);
	note(
		"$name: in $seconds s $total transactions ($retries deadlocks among them, tried again), "
		  . "$count{completed} backups completed, $count{checked} of them restored and checked, $count{cancelled} cancelled, $count{limited} over their limit, $count{failed} failed; "
		  . "$count{looks} sessions as of a snapshot");
	return;
}

1;
