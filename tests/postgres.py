"""A real PostgreSQL that a test run starts for itself, on a socket in a temporary folder, and removes afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

SKIP_REASON = "PostgreSQL: no server programs here (pg_config --bindir names none)"
_FAST = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=16MB"]


class PostgresServer:
    """One server of one's own: start it, stop it, ask it for databases."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._clean: str | None = None
        self._run("initdb", "-D", str(folder / "data"), "-U", "sluice", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [*_FAST, "-c", "listen_addresses=", "-c", f"unix_socket_directories={self.folder}"]
        command = [str(self._programs / "postgres"), "-D", str(self.folder / "data"), *options]
        log = self.folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(_unprivileged(command), stdout=output, stderr=output, cwd="/")
        self._run("pg_isready", "-h", str(self.folder), "-t", "30", "-U", "sluice", retries=150)

    def stop(self) -> None:
        """Stop the server at once, as a crash would: connections break."""
        if self._process is None:
            return
        postmaster = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(postmaster, 3)  # SIGQUIT: immediate shutdown
        self._process.wait(30)
        self._process = None

    def clean_database(self) -> str:
        """Return the address of the one database that is emptied at each request: much cheaper than a new one."""
        if self._clean is None:
            self._clean = self.new_database()
        with psycopg.connect(self._clean, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return self._clean

    def new_database(self) -> str:
        """Create an empty database; return its address."""
        self._databases += 1
        name = f"test_{os.getpid()}_{self._databases}"
        self._run("createdb", "-h", str(self.folder), "-U", "sluice", name)
        return f"postgresql://sluice@/{name}?host={self.folder}"

    def dump(self, address: str) -> str:
        """Return everything a database holds, as text."""
        return self._run("pg_dump", "--inserts", address).stdout.decode()

    def _run(self, program: str, *arguments: str, retries: int = 1) -> "subprocess.CompletedProcess[bytes]":
        command = _unprivileged([str(self._programs / program), *arguments])
        for _ in range(retries):
            done = subprocess.run(command, capture_output=True, timeout=60, check=False, cwd="/")
            if done.returncode == 0:
                return done
            if self._process is not None and self._process.poll() is not None:
                break
        raise RuntimeError(f"{program}: {done.stderr.decode()}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Share one running server between the tests of a run."""
    with running_postgres() as server:
        yield server


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a server; skip the test, with a reason that names it, where its programs are absent."""
    programs = _find_programs()
    if programs is None:
        pytest.skip(SKIP_REASON)
    # Not tmp_path: the server's own user could not enter it, and socket paths are short.
    folder = Path(tempfile.mkdtemp(prefix="sluice-pg-"))
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
    try:
        server = PostgresServer(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _find_programs() -> Path | None:
    finder = shutil.which("pg_config")
    if finder is None:
        return None
    found = subprocess.run([finder, "--bindir"], capture_output=True, text=True, check=False).stdout.strip()
    folder = Path(found)
    return folder if found and (folder / "initdb").exists() and _may_run() else None


def _may_run() -> bool:
    """The server refuses to run as root; then it needs its own user, and a way to become it."""
    if os.geteuid() != 0:
        return True
    return shutil.which("runuser") is not None and any(user.pw_name == "postgres" for user in pwd.getpwall())


def _unprivileged(command: list[str]) -> list[str]:
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command
