"""Which settings Airflow 3.3.2 and its providers know: read from the installed package, and listed here for providers that are not installed.

The lists are the `config` sections of `get_provider_info()` in apache-airflow-providers-celery 3.26.0, -cncf-kubernetes 10.25.0 and
-keycloak 0.11.2, the versions in deploy/requirements.lock; option -> is it sensitive, so that it also exists as X_CMD and X_SECRET.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"

PROVIDERS = {
    "celery": {"broker_url": True, "result_backend": True, "flower_basic_auth": True, "worker_concurrency": False, "worker_prefetch_multiplier": False,
               "task_acks_late": False, "extra_celery_config": False, "worker_umask": False, "worker_autoscale": False, "ssl_active": False,
               "sync_parallelism": False, "operation_timeout": False, "task_track_started": False},
    "celery_broker_transport_options": {"visibility_timeout": False, "sentinel_kwargs": True},
    "kubernetes_executor": {"namespace": False, "pod_template_file": False, "worker_container_repository": False, "worker_container_tag": False,
                            "in_cluster": False, "delete_worker_pods": False, "delete_worker_pods_on_failure": False,
                            "worker_pods_creation_batch_size": False, "multi_namespace_mode": False, "kube_client_request_args": False},
    "keycloak_auth_manager": {"client_id": False, "client_secret": True, "realm": False, "server_url": False, "requests_retries": False},
}
# Arguments of airflow.providers.git.bundles.git.GitDagBundle (git 1.0.1) and of its base class.
GIT_BUNDLE = {"tracking_ref", "subdir", "git_conn_id", "repo_url", "submodules", "prune_dotgit_folder", "sparse_dirs", "refresh_interval", "view_url_template"}
# Arguments of airflow.providers.hashicorp.secrets.vault.VaultBackend (hashicorp 4.8.4).
VAULT_BACKEND = {"connections_path", "variables_path", "config_path", "url", "auth_type", "auth_mount_point", "mount_point", "kv_engine_version", "token", "token_path"}


@functools.cache
def known() -> dict[tuple[str, str], bool]:
    """(section, option) -> is it sensitive."""
    spec = importlib.util.find_spec("airflow")
    assert spec is not None and spec.submodule_search_locations
    # The file and not the import: importing Airflow here would fix its settings for all tests of this process.
    path = Path(spec.submodule_search_locations[0]) / "config_templates" / "config.yml"
    found = {}
    for section, data in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        for option, about in data["options"].items():
            found[section, option] = bool(about.get("sensitive"))
    return {**found, **{(section, option): sensitive for section, options in PROVIDERS.items() for option, sensitive in options.items()}}


def env_file(path: Path) -> dict[str, str]:
    """NAME=value lines of a file."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and not line.startswith("#")]
    assert all("=" in line for line in lines), path
    return dict(line.split("=", 1) for line in lines)
