"""The files of deploy/ fit together: what one of them names, another one or the repository has."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import requires

import pytest
import yaml

from etl.workspace import Workspace
from tests.deploy.settings_known import DEPLOY, ROOT, env_file

sys.path.insert(0, str(ROOT / "tools"))
import build_pools  # noqa: E402

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
KUBERNETES = {path.stem: list(yaml.safe_load_all(path.read_text(encoding="utf-8"))) for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))}
KUSTOMIZATION = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def test_pools_are_those_of_the_packs():
    written = json.loads((DEPLOY / "pools.json").read_text(encoding="utf-8"))
    assert (DEPLOY / "pools.json").read_text(encoding="utf-8") == build_pools.text(), "run tools/build_pools.py"
    systems = {path.parent.name for path in (ROOT / "mappings" / "sources").glob("*/source.yaml")}
    assert set(written) == {f"core_{system}" for system in systems} | {"eastbound_work", "eastbound_registry"}
    assert all(pool["slots"] >= 1 and pool["include_deferred"] is False for pool in written.values())


def test_compose_names_files_that_are_there():
    for name, service in COMPOSE["services"].items():
        for path in service.get("env_file", ()):
            assert (DEPLOY / path).is_file(), (name, path)
        if "build" in service:
            assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"


def test_compose_services_and_volumes_fit_together():
    services = COMPOSE["services"]
    assert {"postgres", "redis", "migrate", "api-server", "scheduler", "dag-processor", "triggerer", "worker"} == set(services)
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        named = {volume.split(":")[0] for volume in service.get("volumes", ()) if re.match(r"[a-z]", volume)}
        assert named <= set(COMPOSE["volumes"])


def test_only_the_worker_goes_without_the_servers_settings():
    services = COMPOSE["services"]
    with_servers = {name for name, service in services.items() if "server.env" in service.get("env_file", ())}
    assert with_servers == {"migrate", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert services["worker"]["env_file"] == ["airflow.env", "celery.env"]
    assert any("WORKER_SECRETS_FOLDER" in volume for volume in services["worker"]["volumes"])
    assert not any(volume.startswith("${SECRETS_FOLDER") for volume in services["worker"]["volumes"])


def test_compose_is_open_to_this_machine_only():
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert ports == ["127.0.0.1:${PORT:-8080}:8080"]


def test_the_image_copies_what_is_there_and_what_the_builder_gets():
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copies = [line.split()[1:] for line in DOCKERFILE.splitlines() if line.startswith("COPY") and "--from=" not in line]
    sources = [path for words in copies for path in [word for word in words if not word.startswith("--")][:-1]]
    assert len(sources) >= 10
    for path in sources:
        assert (ROOT / path).exists(), path
        assert path.split("/")[0] in sent, path


def test_the_image_is_built_with_hashes_from_the_locks():
    installs = re.findall(r"pip install .*", DOCKERFILE)
    assert len(installs) == 3
    assert all("--require-hashes" in install or "--no-deps" in install for install in installs)
    lock = (DEPLOY / "requirements.lock").read_text(encoding="utf-8")
    for name in ("apache-airflow", "apache-airflow-providers-celery", "apache-airflow-providers-cncf-kubernetes", "apache-airflow-providers-git",
                 "apache-airflow-providers-hashicorp", "apache-airflow-providers-keycloak", "duckdb", "psycopg", "redis"):
        assert re.search(rf"^{name}==", lock, re.MULTILINE), name
    assert "://" not in lock


def test_both_locks_agree():
    def pins(path):
        return dict(re.findall(r"^([a-z0-9_.-]+)==([^ ;]+)", path.read_text(encoding="utf-8"), re.MULTILINE))

    here, there = pins(ROOT / "requirements.lock"), pins(DEPLOY / "requirements.lock")
    assert {name: (here[name], there[name]) for name in here.keys() & there.keys() if here[name] != there[name]} == {}
    assert not {"pytest", "ruff", "mypy", "playwright"} & set(there)


def test_the_builder_takes_all_that_hatchling_needs():
    taken = set(re.findall(r"/\^([a-z-]+)==/", DOCKERFILE))
    needed = {re.match(r"[A-Za-z0-9_-]+", text)[0].lower().replace("_", "-") for text in requires("hatchling") or () if "extra ==" not in text}
    assert taken - {"hatchling"} == {name for name in needed if name != "tomli"}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert all(re.search(rf"^{name}==", lock, re.MULTILINE) for name in taken)


def test_kustomization_names_files_and_settings():
    for path in KUSTOMIZATION["resources"]:
        assert (DEPLOY / path).is_file(), path
    maps = {entry["name"]: entry["envs"] for entry in KUSTOMIZATION["configMapGenerator"]}
    assert maps == {"eastbound-tasks": ["airflow.env"], "eastbound-servers": ["server.env", "kubernetes/kubernetes.env"]}
    assert all((DEPLOY / path).is_file() for paths in maps.values() for path in paths)
    # The version of the servers and that of the tasks are the same word.
    assert env_file(DEPLOY / "kubernetes" / "kubernetes.env")["AIRFLOW__KUBERNETES_EXECUTOR__WORKER_CONTAINER_TAG"] == KUSTOMIZATION["images"][0]["newTag"]


def specs():
    pods = [("task", KUBERNETES["pod_template"][0]["spec"])]
    return pods + [(document["metadata"]["name"], document["spec"]["template"]["spec"]) for document in KUBERNETES["servers"] if document["kind"] == "Deployment"]


@pytest.mark.parametrize(("name", "spec"), specs(), ids=[name for name, _ in specs()])
def test_pods(name, spec):
    claims = {document["metadata"]["name"] for document in KUBERNETES["storage"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert {volume["persistentVolumeClaim"]["claimName"] for volume in volumes.values() if "persistentVolumeClaim" in volume} == claims
    assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] == 50000
    for container in spec["containers"] + spec.get("initContainers", []):
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        asked = [source["configMapRef"]["name"] for source in container["envFrom"]]
        assert asked == (["eastbound-tasks"] if name == "task" else ["eastbound-tasks", "eastbound-servers"])
    assert all("memory" in container["resources"]["limits"] for container in spec["containers"])
    # Tasks and servers read different secrets.
    assert volumes["secrets"]["secret"]["secretName"] == ("eastbound-task-secrets" if name == "task" else "eastbound-server-secrets")


def test_the_container_of_a_task_has_the_name_that_airflow_fills_in():
    assert [container["name"] for container in KUBERNETES["pod_template"][0]["spec"]["containers"]] == ["base"]
    assert env_file(DEPLOY / "kubernetes" / "kubernetes.env")["AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE"].removeprefix("/opt/eastbound/") in DOCKERFILE


def test_storage_is_shared():
    assert all(document["spec"]["accessModes"] == ["ReadWriteMany"] for document in KUBERNETES["storage"])


def test_the_scheduler_has_the_account_that_is_made():
    accounts = {document["metadata"]["name"] for document in KUBERNETES["rbac"] if document["kind"] == "ServiceAccount"}
    assert {spec["serviceAccountName"] for _, spec in specs() if "serviceAccountName" in spec} == accounts == {"eastbound-scheduler"}


def test_the_workspace_example_opens_with_what_the_tasks_get(tmp_path, monkeypatch):
    text = (DEPLOY / "workspace.example.yaml").read_text(encoding="utf-8")
    given = {name.removesuffix("_FILE") for name in env_file(DEPLOY / "airflow.env") if name.endswith("_FILE")}
    # The comment at the top explains ${NAME}.
    assert set(re.findall(r"\$\{(\w+)\}", text)) - {"NAME"} <= given
    for name in given:
        monkeypatch.setenv(name, "opened")
    (tmp_path / "workspace.yaml").write_text(text, encoding="utf-8")
    workspace = Workspace.open(tmp_path)
    assert workspace.systems["claims"] == "postgresql://reader:opened@claims-replica/claims"
    assert workspace.ledger_url == "postgresql://eastbound:opened@ledger-db/eastbound"
    assert workspace.approvers == ("li", "wang")
    assert set(workspace.systems) <= {path.parent.name for path in (ROOT / "mappings" / "sources").glob("*/source.yaml")}


def test_the_connections_example_holds_no_login():
    connections = json.loads((DEPLOY / "connections.example.json").read_text(encoding="utf-8"))
    assert {"eastbound_mail", "eastbound_webhook", "eastbound_git"} == set(connections)
    assert all(not {"login", "password"} & set(connection) for connection in connections.values())
    assert json.loads((DEPLOY / "bundles.json").read_text(encoding="utf-8"))[0]["kwargs"]["git_conn_id"] in connections


def start(tmp_path, script, **environ):
    env = {"PATH": os.environ["PATH"], **environ}
    return subprocess.run([DEPLOY / "entrypoint.sh", "bash", "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=30)


def test_the_entry_point_reads_secrets_from_files(tmp_path):
    (tmp_path / "key").write_text("a b\"c$d\n", encoding="utf-8")
    done = start(tmp_path, 'printf "%s|" "$LEDGER_PASSWORD" "$CORE_PASSWORD" "${AIRFLOW__X__Y-unset}"; umask; touch made',
                 LEDGER_PASSWORD_FILE=str(tmp_path / "key"), CORE_PASSWORD="given", CORE_PASSWORD_FILE=str(tmp_path / "key"), AIRFLOW__X__Y_FILE=str(tmp_path / "key"))
    assert done.stdout == 'a b"c$d|given|unset|0077\n'
    assert (tmp_path / "made").stat().st_mode & 0o077 == 0


def test_the_entry_point_says_which_file_is_missing_and_goes_on(tmp_path):
    done = start(tmp_path, "exit 7", LEDGER_PASSWORD_FILE=str(tmp_path / "nothing"))
    assert done.returncode == 7
    assert "LEDGER_PASSWORD_FILE" in done.stderr and "LEDGER_PASSWORD stays unset" in done.stderr


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readme_tells_of_every_file(readme):
    text = (DEPLOY / readme).read_text(encoding="utf-8")
    for path in sorted(DEPLOY.rglob("*")):
        if path.is_file() and not path.name.startswith("README"):
            assert path.relative_to(DEPLOY).as_posix() in text, path
