"""Reaching a core system's database: URL, read-only engine, retries, and errors that keep the password."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
import tenacity
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, OperationalError

from etl.sources.errors import SourceDriverMissing, SourceUnreachable

# Trying again with a wrong password gets accounts locked.
_REFUSED = re.compile(r"authentication|password|access denied|login failed|ORA-01017|ORA-28000|role .* does not exist", re.IGNORECASE)
CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Retry:
    """How often to try, and how long to wait: first_wait, twice that, ... up to max_wait seconds."""

    tries: int = 3
    first_wait: float = 1.0
    max_wait: float = 30.0


def source_url(place: str | os.PathLike[str]) -> sa.URL:
    """The URL of a database given as URL or as path of a SQLite file."""
    text = os.fspath(place)
    if "://" not in text:
        return sa.URL.create("sqlite", database=text)
    url = sa.make_url(text)
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    return url


def shown(url: sa.URL) -> str:
    """The URL for people: without password, user and options (some drivers take secrets there)."""
    return sa.URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


def scrub(reason: str, url: sa.URL) -> str:
    """First line of a driver's message, without the password and the user in whatever spelling they come."""
    line = reason.strip().split("\n")[0]
    secrets = [url.password, *(v for values in url.normalized_query.values() for v in values)]
    for secret in secrets:
        for spelling in {str(secret or ""), quote(str(secret or ""), safe="")}:
            if len(spelling) >= 2 and not spelling.startswith("/"):
                line = line.replace(spelling, "***")
    return line


def sqlite_uri(url: sa.URL) -> str:
    """The read-only URI of a SQLite file: opening must never create or change it."""
    return f"file:{quote(str(Path(url.database or '').absolute()))}?mode=ro"


def make_engine(url: sa.URL) -> sa.Engine:
    """An engine that holds on to no connection longer than it is used."""
    if url.get_backend_name() == "sqlite":
        import sqlite3

        return sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(sqlite_uri(url), uri=True, timeout=60), poolclass=sa.NullPool)
    arguments: dict[str, Any] = {}
    if url.drivername == "postgresql+psycopg" and "connect_timeout" not in url.query:
        arguments["connect_timeout"] = CONNECT_SECONDS
    return sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments)


def connect_source(system: str, place: str | os.PathLike[str] | sa.URL, retry: Retry | None = None) -> sa.Engine:
    """An engine for the database that was seen to answer.

    Raises SourceUnreachable after the last try (at once when the account is refused), SourceDriverMissing.
    """
    retry = retry or Retry()
    url = place if isinstance(place, sa.URL) else source_url(place)
    try:
        engine = make_engine(url)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise SourceDriverMissing(system=system, driver=getattr(error, "name", None) or url.drivername) from None
    trying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(max(1, retry.tries)),
        wait=tenacity.wait_exponential(multiplier=retry.first_wait, max=retry.max_wait),
        retry=tenacity.retry_if_exception(lambda e: isinstance(e, (DBAPIError, OSError)) and not _REFUSED.search(str(e))),
        reraise=True,
    )
    try:
        trying(_answers, engine)
    except (DBAPIError, OSError) as error:
        engine.dispose()
        tries = trying.statistics.get("attempt_number", 1)
        cause = error.orig if isinstance(error, DBAPIError) else error
        # `from None`: the chained exception would print the URL's parts in a traceback.
        raise SourceUnreachable(system=system, place=shown(url), tries=tries, reason=scrub(str(cause), url)) from None
    return engine


def _answers(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        if engine.dialect.name == "oracle":
            connection.exec_driver_sql("SELECT 1 FROM DUAL")
        elif engine.dialect.name == "sqlite":
            # Opening is lazy; only a read shows whether the file is a database.
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
        else:
            connection.exec_driver_sql("SELECT 1")


def broke_off(error: BaseException, url: sa.URL) -> str:
    """Why a read broke off, without the data that a driver may quote: its own words only for connection trouble."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    name = type(cause).__name__
    if isinstance(error, OperationalError) or name in ("OperationalError", "InterfaceError"):
        return f"{name}: {scrub(str(cause), url)}"
    return f"{name} {getattr(cause, 'sqlstate', '') or ''}".strip()
