from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from etl.ledger import migrations, open_ledger
from etl.ledger.database import connect_ledger, ledger_url, writing
from etl.ledger.definition import RuleOutcome
from etl.ledger.models import Base


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else tmp_path / "ledger.db"


def test_models_and_migrations_say_the_same(place):
    with open_ledger(place) as ledger, ledger._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert set(sa.inspect(connection).get_table_names()) == {*Base.metadata.tables, "alembic_version"}


def test_known_revisions_are_those_of_the_scripts():
    config = Config()
    config.set_main_option("script_location", str(migrations.__path__[0]))
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in reversed(list(scripts.walk_revisions()))] == list(migrations.KNOWN)
    assert scripts.get_current_head() == migrations.HEAD


def test_processes_that_open_a_new_ledger_at_once_all_succeed(place):
    script = (
        "import sys; from datetime import date; from etl.ledger import open_ledger\n"
        "with open_ledger(sys.argv[1]) as l: print(l.append_event('a', 'b', 'c').seq)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script, str(place)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                 for _ in range(4)]
    results = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, results
    assert sorted(int(out) for out, _ in results) == [1, 2, 3, 4]
    with open_ledger(place) as ledger:
        assert ledger.verify_chain().ok


def test_opening_a_current_ledger_does_not_load_alembic(tmp_path):
    place = tmp_path / "ledger.db"
    open_ledger(place).close()
    script = "import sys; from etl.ledger import open_ledger; open_ledger(sys.argv[1]).close(); print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, str(place)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def as_of(place, revision: str) -> sa.Engine:
    """A ledger as the program of an earlier revision left it."""
    engine = connect_ledger(ledger_url(place))
    config = Config()
    config.set_main_option("script_location", str(migrations.__path__[0]))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return engine


def test_outcomes_of_an_older_ledger_stay_and_have_no_version(place):
    engine = as_of(place, "0003")
    with writing(engine) as connection:
        connection.execute(sa.text(
            "INSERT INTO runs (id, standard, period, report_date, status, started_at, company, pack_fingerprint, options, host, pid, process_token) "
            "VALUES ('20261115-aaaaaa', 'east_life_2020', '2026-10', '2026-11-15', 'sealed', '2026-11-15 01:02:03', '000999', 'f', '{}', 'h', 1, 't')"))
        connection.execute(sa.text(
            "INSERT INTO findings_summary (run, rule, family, severity, \"table\", outcome, judged, failed) "
            "VALUES ('20261115-aaaaaa', 'EL20-GRBDB-BF-VR-01', 'value_range', 'error', 'GRBDB', 'failed', 100, 7)"))
    engine.dispose()
    with open_ledger(place) as ledger:
        old = RuleOutcome("EL20-GRBDB-BF-VR-01", "value_range", "error", "GRBDB", "failed", 100, 7, "", "")
        assert ledger.findings("20261115-aaaaaa") == [old]
        new = RuleOutcome("EL20-GRBDB-BF-VR-01", "value_range", "error", "GRBDB", "skipped", 0, 0, "prerequisite:EL20-GRBDB-BF-TYPE", "0123456789abcdef")
        ledger.record_findings("20261115-aaaaaa", [new])
        assert ledger.findings("20261115-aaaaaa") == [new]
