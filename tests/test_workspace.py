"""Addresses of core systems: relative files, and copies that are kept per month."""

from __future__ import annotations

import pytest

from etl.submission.definition import Period
from etl.workspace import SystemNotConfigured, UrlNotUnderstood, Workspace

OCTOBER = Period.parse("2026-10")


@pytest.mark.parametrize("written, meant", [
    ("sqlite:///demo/core.db", "sqlite:///{root}/demo/core.db"),
    ("sqlite:////data/core.db", "sqlite:////data/core.db"),
    ("sqlite:///archive/{period}/core.db", "sqlite:///{root}/archive/2026-10/core.db"),
    ("postgresql://reader@db/core_{period_end:%Y%m%d}", "postgresql://reader@db/core_20261031"),
    ("postgresql://reader@db/core_{period_start:%Y_%m}", "postgresql://reader@db/core_2026_10"),
])
def test_address_of_a_core_system(tmp_path, written, meant):
    workspace = Workspace(tmp_path, "000123", {"core": written})
    assert workspace.url("core", OCTOBER) == meant.replace("{root}", str(tmp_path))


@pytest.mark.parametrize("written", ["sqlite:///{month}/core.db", "sqlite:///{period_end:%Y", "sqlite:///{0}/core.db", "sqlite:///{period.secret}"])
def test_placeholder_that_is_not_understood(tmp_path, written):
    with pytest.raises(UrlNotUnderstood) as refused:
        Workspace(tmp_path, "000123", {"core": written}).url("core", OCTOBER)
    assert "core" in refused.value.sentence("en") and "{period_end:%Y%m%d}" in refused.value.sentence("zh")


def test_address_without_a_period_is_left_as_it_is(tmp_path):
    assert Workspace(tmp_path, "000123", {"core": "postgresql://db/core_{period}"}).url("core") == "postgresql://db/core_{period}"


def test_system_without_an_address(tmp_path):
    with pytest.raises(SystemNotConfigured, match="hr"):
        Workspace(tmp_path, "000123", {}).url("hr", OCTOBER)
