"""A PostgreSQL for tests: the one that TALKMETER_TEST_POSTGRES_URL names, else a server of our own on loopback.

The server's programs come from the `pgserver` wheel or from Debian's package. PostgreSQL refuses to run as root, so
root runs it as `postgres` or `nobody`.
"""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psycopg
from sqlalchemy import create_engine, make_url

from talkmeter.store.schema import add_first_rows

WHAT_TO_DO = (
    "The store's tests need a PostgreSQL. Do one of these:\n"
    "  - install the development dependencies (they bring the `pgserver` wheel),\n"
    "  - install your system's server package (Debian: apt-get install postgresql),\n"
    "  - set TALKMETER_TEST_POSTGRES_URL to a server where databases may be created."
)
STARTS = 3  # another program may take the port between our choosing and the server's binding


class NoPostgres(Exception):
    """No server could be had; the text says what to do."""


class Postgres:
    """url: of a database from which others may be created."""

    def __init__(self):
        self._folder = None
        self._process = None
        self._count = 0
        self._port = 0
        self._again = None
        self._emptied = None
        self.url = os.environ.get("TALKMETER_TEST_POSTGRES_URL", "")

    def start(self):
        if self.url:
            return
        self._folder = Path(tempfile.mkdtemp(prefix="talkmeter-postgres-"))
        programs = _programs(self._folder)
        as_user = _unprivileged()
        self._folder.chmod(0o755)
        data = self._folder / "data"
        data.mkdir(mode=0o700)
        if as_user:
            os.chown(data, as_user["user"], as_user["group"])
        _run(
            [
                programs / "initdb",
                "-D",
                data,
                "-U",
                "talkmeter",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            ],
            as_user,
        )
        for attempt in range(STARTS):
            if self._serve(programs, data, as_user, last=attempt == STARTS - 1):
                return

    def _serve(self, programs, data, as_user, *, last):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = self._port or probe.getsockname()[1]
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "60",
            "shared_buffers": "32MB",
            "autovacuum": "off",
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        log = self._folder / "log"
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [programs / "postgres", "-D", data, *flags], stdout=out, stderr=out, stdin=subprocess.DEVNULL, **as_user
            )
        url = f"postgresql://talkmeter@127.0.0.1:{port}/postgres"
        deadline = time.monotonic() + 30
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(psycopg.OperationalError):
                psycopg.connect(url, connect_timeout=5).close()
                self.url, self._port = url, port
                self._again = programs, data, as_user
                return True
            time.sleep(0.05)
        self._end()
        if last:
            raise NoPostgres(f"{programs / 'postgres'} did not start:\n{log.read_text(errors='replace')}\n{WHAT_TO_DO}")
        return False

    def _end(self):
        self._process.terminate()
        self._process.wait(30)

    def down(self):
        """Every connection breaks, none is made; what was committed stays."""
        self._process.send_signal(2)  # SIGINT: fast
        self._process.wait(30)

    def up(self):
        """On the same port and data. Blocks until it answers."""
        programs, data, as_user = self._again
        self._serve(programs, data, as_user, last=True)

    def stop(self):
        if self._emptied is not None:
            self.drop(self._emptied)
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(3)  # SIGQUIT: at once; nothing in it is worth keeping
            self._process.wait(30)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def create(self):
        """The URL of a new, empty database."""
        self._count += 1
        name = f"talkmeter_test_{os.getpid()}_{self._count}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def empty(self):
        """The URL of a database that has the first rows only. Faster than a new one; for one test at a time."""
        if self._emptied is None:
            self._emptied = self.create()
        elif tables := self._tables(self._emptied):
            self.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY", self._emptied)
            engine = create_engine(self._emptied)
            with engine.begin() as connection:
                add_first_rows(connection)
            engine.dispose()
        return self._emptied

    def _tables(self, url):
        with psycopg.connect(url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            )
            return [name for (name,) in rows]

    def drop(self, url):
        self.execute(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')

    def execute(self, statement, url=None):
        with psycopg.connect(url or self.url, autocommit=True) as connection:
            return connection.execute(statement).rowcount


def _programs(scratch):
    """The folder with initdb and postgres, where an unprivileged user can run them."""
    spec = importlib.util.find_spec("pgserver")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        programs = package / "pginstall" / "bin"
        if (programs / "postgres").exists():
            return programs if _reachable(programs) else _copied(package, scratch)
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if debian:
        return debian[-1]
    on_path = shutil.which("postgres")
    if on_path is not None:
        return Path(on_path).parent
    raise NoPostgres(WHAT_TO_DO)


def _reachable(programs):
    user = _unprivileged()
    if not user:
        return True
    try:
        return (
            subprocess.run([programs / "initdb", "--version"], capture_output=True, check=False, **user).returncode == 0
        )
    except PermissionError:
        return False


def _copied(package, scratch):
    """For a checkout in root's own home: the same programs where everybody may read them."""
    copy = scratch / "programs"
    shutil.copytree(package, copy / "pgserver", symlinks=True)
    libraries = package.with_name("pgserver.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copy / "pgserver.libs", symlinks=True)
    return copy / "pgserver" / "pginstall" / "bin"


def _unprivileged():
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise NoPostgres(f"PostgreSQL does not run as root, and there is neither a user postgres nor nobody.\n{WHAT_TO_DO}")


def _run(command, as_user):
    done = subprocess.run(command, capture_output=True, check=False, cwd="/", **as_user)
    if done.returncode != 0:
        raise NoPostgres(f"{command[0]} failed:\n{done.stderr.decode(errors='replace')}\n{WHAT_TO_DO}")
