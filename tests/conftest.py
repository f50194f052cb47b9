"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from filelock import FileLock


@pytest.fixture(scope="session")
def _postgres_server() -> str:
    """URL of one PostgreSQL server for the whole test run, shared by all xdist workers."""
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
    # Not below pytest's own temporary folder: that is kept private, and the server may run as another user.
    folder = Path(tempfile.gettempdir()) / f"eastbound-pg-{session[:12]}"
    with FileLock(folder.with_name("eastbound-pg.lock")), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pgserver")
        # The server is stopped and its folder removed when the last process of the test run ends.
        return pgserver.get_server(folder, cleanup_mode="delete").get_uri()


@pytest.fixture
def postgres_url(_postgres_server: str) -> Iterator[str]:
    """URL of a fresh, empty PostgreSQL database of the test's own."""
    name = f"t_{uuid.uuid4().hex[:16]}"
    server = sa.make_url(_postgres_server).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
    yield server.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
