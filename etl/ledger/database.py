"""The ledger's database: connecting, write locks, and bringing its tables up to date."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from etl.ledger.errors import LedgerBroken, LedgerTooNew
from etl.ledger.migrations import HEAD, KNOWN

BUSY_MILLISECONDS = 60_000
# Any number will do as long as nothing else in the same database uses it.
POSTGRES_LOCK = 4_519_872_001


def ledger_url(place: str | os.PathLike[str]) -> sa.URL:
    """The URL of a ledger given as URL or as path of a SQLite file (its folder is created)."""
    text = os.fspath(place)
    if "://" in text:
        url = sa.make_url(text)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        return url
    path = Path(text).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    return sa.URL.create("sqlite", database=str(path))


def connect_ledger(url: sa.URL) -> Engine:
    """An engine whose transactions are begun by us, so that writers queue up instead of failing half-way."""
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_MILLISECONDS / 1000})

    @event.listens_for(engine, "connect")
    def prepare(dbapi_connection, _record) -> None:
        dbapi_connection.isolation_level = None
        for pragma in (f"busy_timeout={BUSY_MILLISECONDS}", "foreign_keys=ON", "synchronous=FULL"):
            dbapi_connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A reader that turns writer is refused at once ('database is locked'), busy timeout or not.
        writing = connection.get_execution_options().get("ledger_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A write transaction; one at a time over all processes, so that numbers and links are given out once."""
    with engine.connect().execution_options(ledger_write=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": POSTGRES_LOCK})
        yield connection


def migrate(engine: Engine) -> None:
    """Bring the ledger's tables up to this program. Raises LedgerTooNew, LedgerBroken."""
    place = engine.url.render_as_string(hide_password=True)
    try:
        if _revision(engine, place) == HEAD:
            return
        if engine.dialect.name == "sqlite":
            with FileLock(f"{engine.url.database}.migrate.lock", timeout=120):
                _use_write_ahead_log(engine)
                _upgrade(engine, place)
        else:
            _upgrade(engine, place)
    except DBAPIError as error:
        raise LedgerBroken(place=place, reason=type(error.orig).__name__ + ": " + str(error.orig).strip().split("\n")[0]) from None


def _use_write_ahead_log(engine: Engine) -> None:
    # The switch is kept in the file, needs it alone, and does not wait its turn: hence once, under the file lock.
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA journal_mode=WAL").close()
    finally:
        raw.close()


def _revision(engine: Engine, place: str) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and found not in KNOWN:
        raise LedgerTooNew(place=place, found=found, known=HEAD)
    return found


def _upgrade(engine: Engine, place: str) -> None:
    if _revision(engine, place) == HEAD:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
