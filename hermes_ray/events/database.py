"""The events' database: SQLite by default, or PostgreSQL. Opened, brought up to date, and used in transactions."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, OperationalError, SQLAlchemyError

from hermes_ray.config import DATABASE_PASSWORD_VARIABLE, EventSettings
from hermes_ray.errors import ConfigError, EventRefused, EventsUnavailable
from hermes_ray.events.tables import IDENTITY

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_WAIT_S = 10
_CONNECT_LIMIT_S = 5
_STATEMENT_LIMIT_MS = 30_000
_LOCK_OF_MIGRATIONS = 0x6865726D6573
"""Key of an advisory lock of PostgreSQL, the letters of our name."""
_RETRY_AFTER_S = 5.0
_TOO_LONG = ("interrupted", "canceling statement due to statement timeout")
"""What SQLite and PostgreSQL say of a statement that has had its time."""
_STEPS_BETWEEN_LOOKS = 10_000
"""Of SQLite's virtual machine, a fraction of a millisecond."""


def database_url(settings: EventSettings, namespace: str) -> str | None:
    """Where events are kept on this machine; ``None``: nowhere.

    Args:
        settings: of events.
        namespace: of the cluster; each has a file of its own.
    """
    if settings.database != "auto":
        return settings.database
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"  # XDG Base Directory Specification
    return f"sqlite:///{Path(state).absolute() / 'hermes-ray' / namespace / 'events.sqlite'}"


class EventDatabase:
    """Connections to the database. May be used from any thread. It is reached only when it is used.

    Args:
        url: of SQLAlchemy.
        settings: tell the password.

    Raises:
        ConfigError: that is no URL, or its driver is not installed.
    """

    def __init__(self, url: str, settings: EventSettings) -> None:
        self._settings = settings
        try:
            parsed = make_url(url)
            self.is_sqlite = parsed.get_backend_name() == "sqlite"
            self._file = Path(parsed.database or "") if self.is_sqlite else None
            self.name = parsed.render_as_string(hide_password=True)
            options = self._sqlite_options() if self.is_sqlite else self._postgresql_options()
            self._engine = sa.create_engine(parsed, hide_parameters=True, **options)
        except (ArgumentError, ValueError) as error:
            raise ConfigError(f"events.database: {error}") from error
        except ModuleNotFoundError as error:
            raise ConfigError(f"events.database: {error}; install hermes-ray[postgresql]") from error
        if self.is_sqlite:
            event.listen(self._engine, "connect", _prepare_sqlite)
        else:
            event.listen(self._engine, "do_connect", self._give_password)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def prepare(self, revision: str = "head") -> None:
        """Make the tables, or bring those of an older release up to date.

        Args:
            revision: of the migrations, up to which.

        Raises:
            EventsUnavailable: it cannot be reached, or is of a newer release.
        """
        if self._file is not None:
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._file.touch(mode=0o600)
            except OSError as error:
                raise EventsUnavailable(f"cannot write {self._file}: {error.strerror}") from error
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        with self._transaction("BEGIN IMMEDIATE") as connection:
            if not self.is_sqlite:
                connection.execute(sa.text("SET LOCAL statement_timeout = 0"))  # a step may go over all events
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_OF_MIGRATIONS)))
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, revision)
            except CommandError as error:
                raise EventsUnavailable(
                    f"{self.name} was written by another release of hermes-ray: {error}", retry_after_s=_RETRY_AFTER_S
                ) from error

    @contextmanager
    def reading(self, limit_s: float | None = None) -> Iterator[sa.Connection]:
        """A transaction that changes nothing.

        Args:
            limit_s: how long it may take, seconds; ``None``: what the database allows.

        Raises:
            EventsUnavailable: the database cannot be reached, or does not do it, or not in time.
        """
        if limit_s is None:
            with self._transaction("BEGIN") as connection:
                yield connection
            return
        with self._transaction("BEGIN") as connection, _told_as_too_long():
            if self.is_sqlite:
                with _sqlite_limit(connection, limit_s):
                    yield connection
            else:
                # A statement's limit, of which a search has few.
                connection.execute(sa.text(f"SET LOCAL statement_timeout = {max(1, round(limit_s * 1000))}"))
                yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that changes something. One at a time in the whole database.

        So sequence numbers become visible in their order: who has read up to one has missed none before it.

        Raises:
            EventsUnavailable: the database cannot be reached, or does not do it; nothing has changed.
        """
        with self._transaction("BEGIN IMMEDIATE") as connection:
            if not self.is_sqlite:
                connection.execute(sa.select(IDENTITY.c.database).with_for_update())
            yield connection

    def reclaim(self) -> None:
        """Give the space of what was deleted back to the file system, where the database does not do so by itself."""
        if self.is_sqlite:
            with self._translated(), self._engine.connect() as connection:
                # A step of this statement frees one page, and gives a row without columns.
                connection.connection.cursor().execute("PRAGMA incremental_vacuum").fetchall()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sa.Connection]:
        with self._translated(), self._engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql(begin)  # the driver begins none by itself, as isolation_level says
            yield connection
            connection.commit()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()
            kind = EventRefused if isinstance(error, DataError | IntegrityError) else EventsUnavailable
            raise kind(
                f"the database {self.name}: {reason[0] if reason else type(error).__name__}",
                retry_after_s=_RETRY_AFTER_S,
            ) from error

    def _sqlite_options(self) -> dict[str, Any]:
        return {"connect_args": {"timeout": _LOCK_WAIT_S, "isolation_level": None}}

    def _postgresql_options(self) -> dict[str, Any]:
        limits = f"-c statement_timeout={_STATEMENT_LIMIT_MS} -c lock_timeout={_LOCK_WAIT_S * 1000}"
        return {"connect_args": {"connect_timeout": _CONNECT_LIMIT_S, "options": limits}, "pool_pre_ping": True}

    def _give_password(self, _dialect: Any, _record: Any, _args: Any, options: dict[str, Any]) -> None:
        file, password = self._settings.database_password_file, self._settings.database_password
        if file is not None:
            try:
                options["password"] = file.read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise EventsUnavailable(f"events.database_password_file cannot be read: {error}") from error
        elif password is not None:
            options["password"] = password.get_secret_value()
        elif DATABASE_PASSWORD_VARIABLE in os.environ:
            options["password"] = os.environ[DATABASE_PASSWORD_VARIABLE]


@contextmanager
def _told_as_too_long() -> Iterator[None]:
    """Say of a search that had its time what helps; who stores or erases can narrow nothing."""
    try:
        yield
    except OperationalError as error:
        if not str(error.orig).startswith(_TOO_LONG):
            raise
        raise EventsUnavailable(
            "looking for events took longer than it may; narrow it by stream, rule or time",
            retry_after_s=_RETRY_AFTER_S,
        ) from error


@contextmanager
def _sqlite_limit(connection: sa.Connection, limit_s: float) -> Iterator[None]:
    """SQLite has no limit of its own; it asks while it works (its C API, ``sqlite3_progress_handler``)."""
    driver: Any = connection.connection.dbapi_connection
    until_s = time.monotonic() + limit_s
    driver.set_progress_handler(lambda: time.monotonic() > until_s, _STEPS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    for pragma in (
        "auto_vacuum=INCREMENTAL",  # has an effect before there are tables
        "journal_mode=WAL",  # readers do not wait for the writer
        "foreign_keys=ON",
        "secure_delete=ON",  # what was erased is not left in free pages
    ):
        connection.execute(f"PRAGMA {pragma}")
