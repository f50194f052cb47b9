"""What tasks make of errors, periods and units; Airflow in this process, without a database."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest

from tests.dags.airflow_env import in_process

in_process()

import pendulum  # noqa: E402 - after Airflow's settings
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException  # noqa: E402

from eastbound_dags import steps  # noqa: E402
from etl.errors import EastboundError  # noqa: E402
from etl.ledger.errors import PeriodLocked  # noqa: E402
from etl.sources.errors import ContractBroken, SourceUnreachable  # noqa: E402
from tests.dags.insurers import runs_of  # noqa: E402
from tests.pipeline.small_insurer import make_workspace  # noqa: E402


@pytest.mark.parametrize("error", [
    SourceUnreachable(system="hr", place="db:5432", tries=3, reason="refused"),
    PeriodLocked(standard="s", period="p", run="r", pid=1, host="h", since="now"),
])
def test_what_may_pass_is_left_to_the_retries(error):
    with pytest.raises(AirflowException) as seen, steps.told():
        raise error
    assert not isinstance(seen.value, AirflowFailException)
    assert str(seen.value) == str(error) and seen.value.__suppress_context__


def test_what_cannot_pass_fails_at_once():
    with pytest.raises(AirflowFailException, match="column is gone|列不存在"), steps.told():
        from etl.sources.errors import ContractProblem

        raise ContractBroken("hr", "source.yaml", [ContractProblem("column_gone", "Staff", "Name")])
    with pytest.raises(AirflowFailException, match="in plain words"), steps.told():
        raise EastboundError("said in plain words")


def test_what_nobody_foresaw_is_named_without_its_text():
    with pytest.raises(AirflowException) as seen, steps.told():
        raise ValueError("cannot convert 110101199003070038 of 张三")
    assert "ValueError" in str(seen.value) and "test_what_nobody_foresaw" in str(seen.value)
    assert "110101199003070038" not in str(seen.value) and "张三" not in str(seen.value)
    assert seen.value.__suppress_context__


def test_skips_pass_through():
    with pytest.raises(AirflowSkipException, match="approved"), steps.told():
        raise AirflowSkipException("approved already")


def context(params=None, *, start=None, after=None, user=None, dag_run="manual__1"):
    run = SimpleNamespace(dag_id="east_monthly", run_id=dag_run, run_after=after, triggering_user_name=user)
    return {"params": params or {}, "data_interval_start": start, "dag_run": run, "ti": SimpleNamespace(xcom_push=lambda key, value: None)}


@pytest.mark.parametrize("start, frequency, label", [
    (pendulum.datetime(2026, 9, 30, 16, 0, 0, tz="UTC"), "monthly", "2026-10"),       # midnight of 1 October in Shanghai
    (pendulum.datetime(2026, 9, 30, 15, 59, 59, tz="UTC"), "monthly", "2026-09"),     # a second before
    (pendulum.datetime(2026, 12, 31, 16, 0, 0, tz="UTC"), "monthly", "2027-01"),
    (pendulum.datetime(2028, 2, 29, tz="Asia/Shanghai"), "daily", "2028-02-29"),
    (pendulum.datetime(2026, 6, 30, 16, 0, 0, tz="UTC"), "quarterly", "2026Q3"),
])
def test_period_of_a_data_interval_is_the_one_in_shanghai(start, frequency, label):
    assert steps.asked_period(context(start=start), frequency).label == label


def test_period_that_is_named_goes_before_the_interval():
    assert steps.asked_period(context({"period": "2026-05"}, start=pendulum.datetime(2026, 10, 1, tz="Asia/Shanghai")), "monthly").label == "2026-05"


def test_who_asked():
    assert steps.asked_by(context(user="zhang")) == "zhang"
    assert steps.asked_by(context()) == "airflow"


def test_same_dag_run_begins_one_run_and_another_one_is_refused(tmp_path, monkeypatch):
    workspace = make_workspace(tmp_path)
    monkeypatch.setenv("EASTBOUND_WORKSPACE", str(workspace.root))
    asked = {"period": "2026-10", "report_date": "2026-11-15"}
    run = steps.begin(context(asked, user="zhang"), "tiny")
    assert steps.begin(context(asked, user="zhang"), "tiny") == run
    with pytest.raises(AirflowFailException, match=run):
        steps.begin(context(asked, dag_run="manual__2"), "tiny")
    (noted,) = runs_of(workspace, "tiny")
    assert (noted.report_date, noted.options["owner"]) == (date(2026, 11, 15), "airflow:east_monthly/manual__1")


def test_units_of_a_run_by_the_task(tmp_path, monkeypatch):
    workspace = make_workspace(tmp_path)
    monkeypatch.setenv("EASTBOUND_WORKSPACE", str(workspace.root))
    run = steps.begin(context({"period": "2026-10", "report_date": "2026-11-15"}), "tiny")
    assert steps.units(run)["check"] == [["BD"], ["JF"]]
    planned = steps.units(run, 8)
    assert (planned["extract"], planned["check"], planned["seal"]) == (["core"], [["BD", "JF"]], [["package"]])
    with pytest.raises(AirflowSkipException, match="claims"):
        steps.extract(context(), run, planned["extract"], "claims")
