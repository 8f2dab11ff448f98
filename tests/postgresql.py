"""A real PostgreSQL of Debian's package, for tests of what keeps events."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), default=None)
"""Where initdb and postgres are; ``None`` where the package is missing."""


class Postgresql:
    """A server of its own, reached through a socket in its directory, that loses everything when it ends.

    PostgreSQL refuses to run as root: then it runs as nobody.
    """

    def __init__(self) -> None:
        assert PROGRAMS is not None
        self._programs = PROGRAMS
        # Not pytest's directory: the path of a socket must stay short, and others must be let in.
        self._directory = Path(tempfile.mkdtemp(prefix="pg-"))
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._directory, nobody.pw_uid, nobody.pw_gid)
            self._as_user = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        else:
            self._as_user = []
        self._run(
            "initdb",
            "--auth=trust",
            "--username=hermes",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "-D",
            self._data,
        )

    @property
    def _data(self) -> str:
        return str(self._directory / "data")

    def start(self) -> None:
        """Start the server, or start it again after :meth:`stop`."""
        options = (
            f"-c listen_addresses= -c unix_socket_directories={self._directory} -c fsync=off -c max_connections=40"
        )
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", str(self._directory / "log"), "-o", options)

    def stop(self) -> None:
        """End it as a crash would, with every connection."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._data)

    def close(self) -> None:
        """End it for good."""
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def new_database(self) -> str:
        """An empty database; returns its URL for SQLAlchemy."""
        name = f"d{uuid4().hex[:12]}"
        with psycopg.connect(f"host={self._directory} user=hermes dbname=postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return f"postgresql+psycopg://hermes@/{name}?host={self._directory}"

    def _run(self, program: str, *arguments: str) -> None:
        # Its output to a file: pg_ctl's child would hold a pipe open for as long as the server lives.
        with (self._directory.parent / f"{self._directory.name}.out").open("w+") as output:
            command = [*self._as_user, str(self._programs / program), *arguments]
            done = subprocess.run(command, stdout=output, stderr=output, cwd="/", timeout=120)
            output.seek(0)
            assert done.returncode == 0, output.read()
        Path(output.name).unlink()
