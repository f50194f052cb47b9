from __future__ import annotations

import time
import traceback

import pytest

from etl.sources.connections import Retry, connect_source, scrub, source_url
from etl.sources.errors import SourceDriverMissing, SourceUnreachable
from etl.sources.extract import extract_system

QUICK = Retry(tries=3, first_wait=0.2, max_wait=1)


def test_an_unreachable_server_is_tried_again_with_growing_waits_and_then_named(system, tmp_path):
    # Put together from parts: a traceback quotes the line that made the call.
    url = "postgresql://{}:{}77@127.0.0.1:9/core?application_name={}78".format("repo" + "rter", *["gehe" + "im"] * 2)
    started = time.monotonic()
    with pytest.raises(SourceUnreachable) as caught:
        extract_system(system, url, tmp_path, batch_id="b", retry=QUICK)
    # Waits of 0.2 and 0.4 seconds lie between three tries.
    assert time.monotonic() - started >= 0.6
    english, chinese = caught.value.sentence("en"), caught.value.sentence("zh")
    assert english.startswith("source system life_admin cannot be reached (postgresql+psycopg://127.0.0.1:9/core, 3 tries): ")
    assert "refused" in english and "Check that the database runs" in english
    assert "来源系统 life_admin 无法连接" in chinese and "请检查该数据库是否运行" in chinese
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.values) + english + chinese
    assert "gehe" + "im" not in told and "repo" + "rter" not in told


def test_a_missing_sqlite_file_is_not_created(tmp_path):
    with pytest.raises(SourceUnreachable, match="unable to open database file"):
        connect_source("life_admin", tmp_path / "none.db", Retry(1))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "core.db").write_text("hello " * 1000)
    with pytest.raises(SourceUnreachable, match="file is not a database"):
        connect_source("life_admin", tmp_path / "core.db", Retry(1))


def test_a_refused_account_is_not_tried_twice(postgres_url, tmp_path):
    url = source_url(postgres_url).set(username="nobody_here")
    with pytest.raises(SourceUnreachable, match="1 tries"):
        connect_source("life_admin", url, Retry(tries=3, first_wait=30))


def test_a_server_that_comes_back_is_reached(tmp_path):
    import sqlite3
    import threading

    path = tmp_path / "core.db"
    threading.Timer(0.3, lambda: sqlite3.connect(path).execute("CREATE TABLE t (x)")).start()
    engine = connect_source("life_admin", path, Retry(tries=6, first_wait=0.2, max_wait=0.5))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_a_missing_driver_is_named():
    with pytest.raises(SourceDriverMissing, match="needs the database driver"):
        connect_source("life_admin", "firebird+nothing://host/db")


def test_drivers_words_lose_the_secrets_in_any_spelling():
    url = source_url("postgresql://li:p%40ss+w@h/db?sslpassword=kk99&host=/var/run")
    assert scrub('bad "p@ss+w" or p%40ss%2Bw or kk99 at /var/run\nline two', url) == 'bad "***" or *** or *** at /var/run'


@pytest.mark.parametrize(("place", "expected"), [
    ("postgresql://h/db", "postgresql+psycopg"), ("postgres://h/db", "postgresql+psycopg"), ("/data/core.db", "sqlite"), ("mysql+pymysql://h/db", "mysql+pymysql"),
])
def test_urls(place, expected):
    assert source_url(place).drivername == expected
