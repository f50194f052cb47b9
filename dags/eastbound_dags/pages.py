"""Pages inside Airflow: the runs of the ledger, one run, and all of its findings. Reading only.

They answer to whoever Airflow knows and lets read DAG runs, and to nobody else: a plugin's own application gets no login by itself.
Imported by the api-server only.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader

from eastbound_dags.reading import NoSuchRun, findings_of, run_about, runs_about
from etl.errors import EastboundError
from etl.language import say, set_language

Page = Annotated[int, Query(ge=1, le=1_000_000)]
Text = Annotated[str | None, Query(max_length=200)]
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
           "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"}
TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def may_read(user: GetUserDep) -> None:
    """Any page needs a user who may read DAG runs."""
    if not get_auth_manager().is_authorized_dag(method="GET", access_entity=DagAccessEntity.RUN, user=user):
        raise HTTPException(403, "Forbidden")


def create_app() -> FastAPI:
    """The application that the plugin mounts at /eastbound."""
    app = FastAPI(title="Eastbound", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(may_read)])
    app.add_exception_handler(HTTPException, _refused)

    @app.get("/")
    def start(request: Request) -> Response:
        return _to(request, "/runs")

    @app.get("/runs")
    def runs(request: Request, standard: Text = None, page: Page = 1, lang: Text = None) -> Response:
        return _page(request, lang, "runs.html", lambda: runs_about(standard or None, page), {"standard": standard or None})

    @app.get("/runs/{run}")
    def run(request: Request, run: str, lang: Text = None) -> Response:
        return _page(request, lang, "run.html", lambda: run_about(run))

    @app.get("/runs/{run}/findings")
    def findings(request: Request, run: str, rule: Text = None, table: Text = None, severity: Text = None, state: Text = None, page: Page = 1,
                 lang: Text = None) -> Response:
        chosen = {name: value for name, value in (("rule", rule), ("table", table), ("severity", severity), ("state", state)) if value}
        return _page(request, lang, "findings.html", lambda: findings_of(run, chosen, page), chosen)

    @app.get("/dags/{dag_id}/runs/{dag_run_id:path}")
    def of_dag_run(request: Request, dag_id: str, dag_run_id: str, lang: Text = None) -> Response:
        from eastbound_dags.links import runs_of

        named = runs_of(dag_id, dag_run_id)
        if len(named) == 1:
            return _to(request, f"/runs/{quote(named[0], safe='')}")
        return _page(request, lang, "dag_run.html", lambda: {"named": named, "dag_id": dag_id, "dag_run_id": dag_run_id})

    return app


def _page(request: Request, lang: str | None, template: str, ask: Any, chosen: dict[str, str | None] | None = None) -> Response:
    """A page in the reader's language; what cannot be shown is told in a sentence, with the fitting status."""
    language = lang if lang in ("zh", "en") else preferred(request.headers.get("accept-language", ""))
    # Each request runs in a context of its own: the language goes no further.
    set_language(language)
    status, values = 200, {}
    try:
        values = ask()
    except NoSuchRun as error:
        status, template, values = 404, "told.html", {"sentence": error.sentence(language)}
    except EastboundError as error:
        status, template, values = 503, "told.html", {"sentence": error.sentence(language)}
    base = request.scope["root_path"]
    asked = {name: value for name, value in (chosen or {}).items() if value}

    def link(path: str, **query: Any) -> str:
        told = {**query, **({"lang": lang} if lang in ("zh", "en") else {})}
        told = {name: value for name, value in told.items() if value not in (None, "")}
        return f"{base}{path}" + (f"?{urlencode(told)}" if told else "")

    other = "en" if language == "zh" else "zh"
    here = f"{request.url.path}?{urlencode({**asked, 'lang': other})}"
    shown = TEMPLATES.get_template(template).render(say=say, link=link, language=language, here=here, chosen=asked, quote=lambda text: quote(text, safe=""), **values)
    return HTMLResponse(shown, status, HEADERS)


def preferred(accepted: str) -> str:
    """`zh` or `en`, whichever an Accept-Language header names first by weight; English where it names neither."""
    told = []
    for place, part in enumerate(accepted.lower().split(",")):
        name, _, weight = part.strip().partition(";")
        number = re.fullmatch(r"\s*q=([0-9.]{1,5})\s*", weight)
        try:
            told.append((-float(number[1]) if number else -1.0, place, name.split("-")[0]))
        except ValueError:
            continue
    return next((name for weight, _, name in sorted(told) if name in ("zh", "en") and weight), "en")


def _to(request: Request, path: str) -> Response:
    lang = request.query_params.get("lang")
    return RedirectResponse(request.scope["root_path"] + path + (f"?lang={lang}" if lang in ("zh", "en") else ""), 303)


def _refused(request: Request, error: Any) -> Response:
    """A browser without a login is sent to Airflow's; whatever else asks gets the bare status."""
    if error.status_code == 401 and "text/html" in request.headers.get("accept", ""):
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(get_auth_manager().get_url_login(next_url=here), 303)
    return JSONResponse({"detail": error.detail}, error.status_code, {**(error.headers or {}), "Cache-Control": "no-store"})
