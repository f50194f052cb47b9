"""The metadata in PostgreSQL, set as in deploy/server.env: migrated, pools imported, one DAG run, by the command as people use it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.deploy.settings_known import DEPLOY, env_file

DAG = '''
from airflow.sdk import dag, task

@dag(dag_id="small", schedule=None)
def small():
    @task(pool="core_claims")
    def count():
        return 3

    @task
    def check(rows):
        assert rows == 3

    check(count())

small()
'''


@pytest.fixture
def command(tmp_path: Path, postgres_url: str):
    """Run `airflow` with the metadata settings of deploy/, the secrets in a folder of this test."""
    secrets, dags = tmp_path / "secrets", tmp_path / "dags"
    secrets.mkdir()
    dags.mkdir()
    (dags / "small.py").write_text(DAG, encoding="utf-8")
    url = sa.make_url(postgres_url)
    for name, driver in (("airflow_database", "postgresql+psycopg"), ("airflow_database_async", "postgresql+psycopg_async")):
        (secrets / name).write_text(url.set(drivername=driver).render_as_string(hide_password=False) + "\n", encoding="utf-8")
    metadata = {name: value.replace("/etc/eastbound/secrets", str(secrets)) for name, value in env_file(DEPLOY / "server.env").items()
                if name.startswith("AIRFLOW__DATABASE__")}
    assert metadata["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD"] == f"cat {secrets / 'airflow_database'}"
    env = {**{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}, **metadata, "AIRFLOW_HOME": str(tmp_path / "home"),
           "AIRFLOW__CORE__DAGS_FOLDER": str(dags), "AIRFLOW__CORE__PLUGINS_FOLDER": str(tmp_path / "plugins"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}

    def run(*words: str) -> str:
        done = subprocess.run([sys.executable, "-m", "airflow", *words], env=env, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout + done.stderr

    return run


@pytest.mark.slow
def test_metadata_in_postgresql(command, postgres_url):
    command("db", "migrate")
    command("pools", "import", str(DEPLOY / "pools.json"))
    command("dags", "test", "small")
    # A second migration finds nothing to do.
    command("db", "migrate")
    engine = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT state FROM dag_run WHERE dag_id = 'small'")).scalars().all() == ["success"]
        states = dict(connection.execute(sa.text("SELECT task_id, state FROM task_instance WHERE dag_id = 'small'")).all())
        pools = connection.execute(sa.text("SELECT pool, slots FROM slot_pool WHERE pool LIKE 'core_%' ORDER BY pool")).all()
    assert states == {"count": "success", "check": "success"}
    assert len(pools) == 9 and all(slots == 1 for _, slots in pools)
