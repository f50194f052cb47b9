"""Every setting named in deploy/, tools/ and the documents exists in the Airflow that is installed, and none of them holds a secret."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.deploy.settings_known import DEPLOY, GIT_BUNDLE, ROOT, VAULT_BACKEND, env_file, known

ENV_FILES = sorted(DEPLOY.rglob("*.env"))
SETTING = re.compile(r"AIRFLOW__([A-Z0-9]+(?:_[A-Z0-9]+)*)__([A-Z0-9]+(?:_[A-Z0-9]+)*)")
FILES = [path for folder in ("deploy", "tools") for path in sorted((ROOT / folder).rglob("*")) if path.suffix in (".env", ".yaml", ".sh", ".py", ".md", "")
         and path.is_file()] + [ROOT / "docs" / "airflow.md"]


def settings(text: str) -> set[tuple[str, str]]:
    return {(section.lower(), option.lower()) for section, option in SETTING.findall(text)}


def plain(section: str, option: str) -> tuple[str, str, bool]:
    """The option that a name means, and whether it names the way to it (X_CMD, X_SECRET)."""
    for ending in ("_cmd", "_secret"):
        if option.endswith(ending) and (section, option) not in known():
            return section, option.removesuffix(ending), True
    return section, option, False


def test_there_is_something_to_check():
    named = set().union(*(settings(path.read_text(encoding="utf-8")) for path in FILES))
    assert len(named) > 60
    assert ("core", "execution_api_server_url") in named and ("celery", "broker_url_cmd") in named


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_setting_exists(path):
    unknown = [name for name in settings(path.read_text(encoding="utf-8")) if plain(*name)[:2] not in known()]
    assert unknown == []


def test_only_sensitive_settings_come_from_commands():
    for path in ENV_FILES:
        for section, option in settings(path.read_text(encoding="utf-8")):
            name = plain(section, option)
            assert not name[2] or known()[name[:2]], f"{path.name}: Airflow does not look for {option} of [{section}]"


def test_no_sensitive_setting_is_written_down():
    for path in ENV_FILES:
        for name, value in env_file(path).items():
            found = SETTING.fullmatch(name)
            if not found:
                continue
            section, option, way = plain(found[1].lower(), found[2].lower())
            # What the secrets backend is asked with: no password is among it, which the next test sees to.
            if known()[section, option] and (section, option) != ("secrets", "backend_kwargs"):
                assert way and value.startswith("cat /etc/eastbound/secrets/"), name


def test_vault_is_asked_without_a_token_in_the_file():
    asked = json.loads(env_file(DEPLOY / "server.env")["AIRFLOW__SECRETS__BACKEND_KWARGS"])
    assert set(asked) <= VAULT_BACKEND
    assert "token" not in asked and asked["token_path"] == "/etc/eastbound/secrets/vault_token"


def test_nothing_in_the_folder_looks_like_a_secret():
    for path in sorted(DEPLOY.rglob("*")):
        if not path.is_file() or path.name == "requirements.lock":
            continue
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"://[^/\s:@]+:(?!\$)[^@\s/]+@", text), path
        assert not re.search(r"BEGIN [A-Z ]*PRIVATE KEY", text), path
        for name, value in re.findall(r"^\s*(?:- )?\"?([A-Za-z_]*(?:PASSWORD|password|TOKEN|token|SECRET))\"?\s*[:=]\s*(\S+)", text, re.MULTILINE):
            assert value == "not-for-servers" and name == "CORE_PASSWORD", f"{path.name}: {name}"


def test_workers_know_nothing_of_the_servers():
    tasks = settings((DEPLOY / "airflow.env").read_text(encoding="utf-8")) | settings((DEPLOY / "celery.env").read_text(encoding="utf-8"))
    assert not {section for section, _ in tasks} & {"database", "api_auth", "secrets", "keycloak_auth_manager", "api"}
    assert not {option for section, option in tasks if section == "core"} & {"fernet_key", "fernet_key_cmd", "auth_manager"}


def test_bundles():
    local = json.loads(env_file(DEPLOY / "airflow.env")["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    remote = json.loads((DEPLOY / "bundles.json").read_text(encoding="utf-8"))
    # The same name: a deployment that changes from one to the other keeps the history of its DAGs.
    assert [bundle["name"] for bundle in local] == [bundle["name"] for bundle in remote] == ["eastbound"]
    assert remote[0]["classpath"] == "airflow.providers.git.bundles.git.GitDagBundle"
    assert set(remote[0]["kwargs"]) <= GIT_BUNDLE and remote[0]["kwargs"]["subdir"] == "dags"


def test_airflow_takes_the_local_bundle(tmp_path):
    value = env_file(DEPLOY / "airflow.env")["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"].replace("/opt/eastbound/dags", str(ROOT / "dags"))
    code = ("from airflow.dag_processing.bundles.manager import DagBundlesManager\n"
            "bundle = DagBundlesManager().get_bundle('eastbound'); print(type(bundle).__name__, bundle.path)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
                          env={"PATH": "/usr/bin:/bin", "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": value})
    assert done.stdout.splitlines()[-1:] == [f"LocalDagBundle {ROOT / 'dags'}"], done.stderr
