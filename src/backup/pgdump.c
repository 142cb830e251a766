/*-------------------------------------------------------------------------
 *
 * pgdump.c
 *	  pg_dump as a child process of the leader.
 *
 * pg_dump knows every kind of object of its version, and writes the table of
 * contents and whatever else is not a plain table's rows or a large object.  It
 * connects as any client does and is as of S by --snapshot (asof_session.c).
 *
 * A plain fork() and exec(), not popen(), because we want to know its process
 * id to end it when the backup is cancelled.  A leader has one pg_dump only.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"

#include "backup/pgdump.h"

/* of what pg_dump says, this much is kept: the end */
#define STDERR_SIZE 1800

static pid_t child_pid = 0;
static int	child_stderr = -1;
static int	child_status = 0;
static char stderr_text[STDERR_SIZE + 1];
static int	stderr_len = 0;
static char *connection_tried = NULL;
static const char *snapshot_token = NULL;

/*
 * The path of pg_dump.  Raises an error if it is not there.
 */
char *
bbgw_pgdump_find(void)
{
	char		path[MAXPGPATH];

	if (bbgw_pg_dump_path[0] != '\0')
		strlcpy(path, bbgw_pg_dump_path, sizeof(path));
	else
	{
		strlcpy(path, my_exec_path, sizeof(path));
		get_parent_directory(path);
		join_path_components(path, path, "pg_dump");
	}

	if (access(path, X_OK) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("could not find pg_dump: could not access \"%s\": %m", path),
				 errhint("Install the client programs of the server's version, or set backup_bgw.pg_dump_path.")));
	return pstrdup(path);
}

static void
append_setting(StringInfo buf, const char *keyword, const char *value)
{
	appendStringInfo(buf, "%s%s='", buf->len > 0 ? " " : "", keyword);
	for (; *value; value++)
	{
		if (*value == '\'' || *value == '\\')
			appendStringInfoChar(buf, '\\');
		appendStringInfoChar(buf, *value);
	}
	appendStringInfoChar(buf, '\'');
}

/*
 * Where this server is to be found: its first socket directory, or else the
 * local host.  The user is the one that is always there.
 */
static char *
default_conninfo(const BbgwBackup *backup)
{
	StringInfoData buf;
	List	   *directories;
	const char *host = "localhost";

	if (SplitDirectoriesString(pstrdup(Unix_socket_directories), ',',
							   &directories) &&
		directories != NIL)
	{
		host = linitial(directories);
		if (host[0] != '/' && host[0] != '@')
			host = psprintf("%s/%s", DataDir, host);
	}

	initStringInfo(&buf);
	append_setting(&buf, "host", host);
	append_setting(&buf, "port", psprintf("%d", PostPortNumber));
	append_setting(&buf, "dbname", NameStr(backup->order.datname));
	append_setting(&buf, "user", GetUserNameFromId(BOOTSTRAP_SUPERUSERID, false));
	return buf.data;
}

static char **
make_arguments(const BbgwBackup *backup, const BbgwRequest *request,
			   const char *directory, const char *conninfo)
{
	List	   *args = NIL;
	ListCell   *lc;
	char	  **argv;
	int			argc = 0;

	args = lappend(args, "pg_dump");
	args = lappend(args, "--format=directory");
	args = lappend(args, "--compress=0");	/* we compress, see archive.c */
	args = lappend(args, "--no-sync");	/* likewise */
	args = lappend(args, "--no-password");
	args = lappend(args, psprintf("--encoding=%s", GetDatabaseEncodingName()));
	args = lappend(args, psprintf("--snapshot=%s" INT64_FORMAT ":%s",
								  BBGW_SNAPSHOT_PREFIX, backup->id, snapshot_token));
	args = lappend(args, psprintf("--file=%s", directory));
	foreach(lc, request->include)
		args = lappend(args, psprintf("--table=%s", (char *) lfirst(lc)));
	foreach(lc, request->exclude)
		args = lappend(args, psprintf("--exclude-table=%s", (char *) lfirst(lc)));

	/* temporary tables it takes only if they are asked for, and then fails */
	if (request->include != NIL)
		args = lappend(args, "--exclude-table=pg_temp_*.*");
	args = lappend(args, psprintf("--dbname=%s", conninfo));

	argv = palloc((list_length(args) + 1) * sizeof(char *));
	foreach(lc, args)
		argv[argc++] = lfirst(lc);
	argv[argc] = NULL;
	return argv;
}

/*
 * The environment for pg_dump: ours without the variables that libpq and the
 * client programs read.  They were not meant for this, and backup_bgw.conninfo
 * is the place to say such things.
 */
static char **
make_environment(void)
{
	extern char **environ;
	char	  **env;
	int			n = 0;

	while (environ[n])
		n++;
	env = palloc((n + 1) * sizeof(char *));
	n = 0;
	for (char **var = environ; *var; var++)
		if (strncmp(*var, "PG", 2) != 0 || strncmp(*var, "PGPASSFILE=", 11) == 0)
			env[n++] = *var;
	env[n] = NULL;
	return env;
}

/*
 * The child between fork() and exec().  Only what is safe there: no memory, no
 * server facilities.  If it does not come to exec(), it writes errno to
 * error_fd, which exec() closes.
 */
static void
run_child(const char *path, char **argv, char **env, int write_fd,
		  int error_fd)
{
	long		max_fd = sysconf(_SC_OPEN_MAX);
	sigset_t	none;
	int			null_fd;
	int			error;

	null_fd = open("/dev/null", O_RDWR);
	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
		dup2(null_fd, STDOUT_FILENO) < 0 || dup2(write_fd, STDERR_FILENO) < 0)
		goto failed;
	if (max_fd < 0 || max_fd > 65536)
		max_fd = 65536;
	for (int fd = STDERR_FILENO + 1; fd < max_fd; fd++)
		if (fd != error_fd)
			close(fd);

	/* handlers are gone with exec(), but what is ignored or blocked stays */
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	execve(path, argv, env);

failed:
	error = errno;
	while (write(error_fd, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	_exit(127);
}

/*
 * Waits until the child has become pg_dump, and raises an error if it could
 * not.
 */
static void
wait_for_exec(int error_fd)
{
	int			error = 0;
	ssize_t		n;

	while ((n = read(error_fd, &error, sizeof(error))) < 0 && errno == EINTR)
		;
	close(error_fd);
	if (n != sizeof(error))
		return;

	bbgw_pgdump_kill();
	errno = error;
	ereport(ERROR,
			(error == E2BIG ? errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED) :
			 errcode_for_file_access(),
			 errmsg("could not start pg_dump: %m"),
			 error == E2BIG ?
			 errhint("Patterns, and backup_bgw.conninfo, are arguments of pg_dump. Give fewer or shorter patterns.") : 0));
}

/*
 * Starts pg_dump, to write into the existing empty directory.  "token", which
 * outlives it, makes its session known as the backup's.  Raises an error if
 * there can be no child.  What comes of it, bbgw_pgdump_poll() tells.
 */
void
bbgw_pgdump_start(const BbgwBackup *backup, const BbgwRequest *request,
				  const char *token, const char *directory)
{
	StringInfoData conninfo;
	char	  **argv;
	char	  **env = make_environment();
	int			fds[2];
	int			error_fds[2];

	Assert(child_pid == 0);

	stderr_len = 0;
	stderr_text[0] = '\0';
	snapshot_token = token;
	connection_tried = default_conninfo(backup);
	initStringInfo(&conninfo);
	appendStringInfoString(&conninfo, connection_tried);
	append_setting(&conninfo, "application_name", "backup_bgw");
	append_setting(&conninfo, "options", bbgw_session_options());
	appendStringInfo(&conninfo, " %s", request->conninfo);
	argv = make_arguments(backup, request, directory, conninfo.data);
	if (request->conninfo[0] != '\0')
		connection_tried = psprintf("%s, and backup_bgw.conninfo", connection_tried);

	if (pipe(fds) != 0 || pipe(error_fds) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create pipe: %m")));
	if (fcntl(fds[0], F_SETFD, FD_CLOEXEC) != 0 || !pg_set_noblock(fds[0]) ||
		fcntl(error_fds[1], F_SETFD, FD_CLOEXEC) != 0)
		elog(ERROR, "could not set up pipe: %m");

	fflush(NULL);
	child_pid = fork();
	if (child_pid == 0)
		run_child(request->pg_dump_path, argv, env, fds[1], error_fds[1]);

	close(fds[1]);
	close(error_fds[1]);
	child_stderr = fds[0];
	if (child_pid < 0)
	{
		close(error_fds[0]);
		child_pid = 0;
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start pg_dump: %m")));
	}
	wait_for_exec(error_fds[0]);
}

/*
 * Takes what pg_dump has said.  Returns false at its end.
 */
static bool
read_stderr(void)
{
	char		chunk[512];
	ssize_t		n;

	while ((n = read(child_stderr, chunk, sizeof(chunk))) > 0)
	{
		int			excess = stderr_len + (int) n - STDERR_SIZE;

		if (excess > 0)
		{
			stderr_len -= excess;
			memmove(stderr_text, stderr_text + excess, stderr_len);
		}
		memcpy(stderr_text + stderr_len, chunk, n);
		stderr_len += n;
	}
	stderr_text[stderr_len] = '\0';
	return n < 0 &&
		(errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/*
 * Is this message of the server, up to its first variable part, in the text?
 * That is in the language that the server was configured for, or in none.
 */
static bool
says(const char *text, const char *message)
{
	const char *translated = _(message);

	return strstr(text, pnstrdup(message, strcspn(message, "%"))) != NULL ||
		strstr(text, pnstrdup(translated, strcspn(translated, "%"))) != NULL;
}

/*
 * pg_dump has failed before it was as of S.
 */
static void
report_no_connection(const char *text)
{
	const char *const hint =
	"Set backup_bgw.conninfo so that the operating system user of the server can connect as a superuser without being asked for a password.";

	if (says(text, "sorry, too many clients already"))
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_CONNECTIONS),
				 errmsg("pg_dump could not connect to the server"),
				 errdetail_internal("%s", text),
				 errhint("A backup takes one connection. Increase max_connections (now %d), or have other sessions end.",
						 MaxConnections)));

	/* one of those of session_options.c */
	if (says(text, "permission denied to set parameter \"%s\""))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("pg_dump must connect as a superuser to make a backup"),
				 errdetail("The connection tried was: %s\n%s", connection_tried, text),
				 errhint("%s", hint)));
	ereport(ERROR,
			(errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
			 errmsg("pg_dump could not connect to the server and use the snapshot of the backup"),
			 errdetail("The connection tried was: %s\n%s", connection_tried, text),
			 errhint("%s", hint)));
}

static void
report_failure(int status, bool connected)
{
	/* its end may be cut anywhere */
	char	   *text = stderr_text;

	while (stderr_len > 0 && strchr("\n ", stderr_text[stderr_len - 1]))
		stderr_text[--stderr_len] = '\0';
	if (!pg_verifymbstr(text, stderr_len, true))
		for (char *p = text; *p; p++)
			if (IS_HIGHBIT_SET(*p))
				*p = '?';
	if (stderr_len == 0)
		text = wait_result_to_str(status);

	/* pg_dump shows the statement that failed */
	for (char *p = text; (p = strstr(p, snapshot_token)) != NULL;)
		memset(p, '*', strlen(snapshot_token));

	if (!connected)
		report_no_connection(text);
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("pg_dump failed"),
			 errdetail_internal("%s", text)));
}

/*
 * Waits at most "timeout" ms for pg_dump to say something or to end, or for
 * the latch.  Returns true when it has ended; how, bbgw_pgdump_result() tells.
 */
bool
bbgw_pgdump_poll(long timeout)
{
	pid_t		pid;

	Assert(child_pid > 0);

	(void) WaitLatchOrSocket(MyLatch,
							 WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 child_stderr, timeout, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	if (read_stderr())
		return false;
	close(child_stderr);
	child_stderr = -1;

	/* it has closed its stderr, so this takes no time */
	do
	{
		pid = waitpid(child_pid, &child_status, 0);
	} while (pid < 0 && errno == EINTR);
	if (pid < 0)
		elog(ERROR, "could not wait for pg_dump: %m");
	child_pid = 0;
	return true;
}

/*
 * Logs what pg_dump has said, warnings in general, and forgets it.
 */
void
bbgw_pgdump_log(void)
{
	if (child_stderr >= 0)
		(void) read_stderr();
	if (stderr_len > 0)
		ereport(LOG,
				(errmsg("pg_dump: %s", stderr_text)));
	stderr_len = 0;
	stderr_text[0] = '\0';
}

/*
 * Raises an error if pg_dump, which has ended, has failed.  That blames the
 * connection if it was not yet "connected".
 */
void
bbgw_pgdump_result(bool connected)
{
	Assert(child_pid == 0);

	if (child_status != 0)
		report_failure(child_status, connected);
	bbgw_pgdump_log();
}

/*
 * Has pg_dump, which has ended, failed because its session was chosen to break
 * a deadlock?  It tells no error codes, but its session speaks our language.
 */
bool
bbgw_pgdump_deadlocked(void)
{
	Assert(child_pid == 0);

	return child_status != 0 && strstr(stderr_text, _("deadlock detected")) != NULL;
}

/*
 * Ends pg_dump, if it is there, and waits for its end.  Raises nothing.
 */
void
bbgw_pgdump_kill(void)
{
	if (child_pid > 0)
	{
		kill(child_pid, SIGKILL);
		while (waitpid(child_pid, NULL, 0) < 0 && errno == EINTR)
			;
		child_pid = 0;
	}
	if (child_stderr >= 0)
		close(child_stderr);
	child_stderr = -1;
}
