"""The datasets of a run as OpenLineage names them, with their schema, column lineage and counts.

| dataset | namespace | name |
|---|---|---|
| table of a core system | `<kind of database>://<system>` | `[schema.]table` |
| its extract | `eastbound` | `extracted.<system>.<table>` |
| standardised table | `eastbound` | `<standard>.<TABLE>` |
| masked table | `eastbound` | `<standard>.<TABLE>.masked` |
| submitted file(s) of a table | `eastbound` | `<standard>.<TABLE>.submitted` |
| sealed package | `eastbound` | `<standard>.package` |

Hosts, users and passwords of databases are in none of them. With a jurisdiction, `<standard>` is `<standard>.<jurisdiction>`.
This module imports the optional library; only `etl.lineage.emit` and the command load it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attr
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    data_quality_assertions_dataset,
    dataset_type_dataset,
    dataset_version_dataset,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)

from etl import __version__
from etl.ledger.definition import RuleOutcome
from etl.lineage.columns import DIRECT, IDENTITY, TRANSFORMATION, Origin, Step, TableOrigins
from etl.sources.connections import source_url
from etl.standard.definition import DataItem, Table

NAMESPACE = "eastbound"
PRODUCER = f"urn:eastbound:{__version__}"
# How OpenLineage's naming calls the kinds of databases that SQLAlchemy calls otherwise.
DATABASES = {"postgresql": "postgres"}

# (system, table) of a core system -> (namespace, name) of the dataset that an event takes as its input.
Naming = Callable[[str, str], tuple[str, str]]


def facet(kind: type[Any], **values: Any) -> Any:
    """A facet that names its producer (the library's own default is shared with whoever else emits in this process)."""
    return kind(producer=PRODUCER, **values)


class DatasetNames:
    """Names of the datasets of one run."""

    def __init__(self, context: Any) -> None:
        self.context = context
        place = context.request.jurisdiction
        self.base = f"{context.standard.name}.{place}" if place else context.standard.name

    def source(self, system: str, table: str) -> tuple[str, str]:
        """A table in its database: the kind of database and the house's name of the system, never where it is."""
        try:
            backend = source_url(self.context.workspace.url(system, self.context.request.period)).get_backend_name()
        except Exception:  # noqa: BLE001 - an old run whose system is no longer configured
            backend = "database"
        schema = self.context.systems[system].schema
        return f"{DATABASES.get(backend, backend)}://{system}", f"{schema}.{table}" if schema else table

    def extracted(self, system: str, table: str) -> tuple[str, str]:
        return NAMESPACE, f"extracted.{system}.{table}"

    def table(self, code: str) -> tuple[str, str]:
        return NAMESPACE, f"{self.base}.{code}"

    def masked(self, code: str) -> tuple[str, str]:
        return NAMESPACE, f"{self.base}.{code}.masked"

    def submitted(self, code: str) -> tuple[str, str]:
        return NAMESPACE, f"{self.base}.{code}.submitted"

    def package(self) -> tuple[str, str]:
        return NAMESPACE, f"{self.base}.package"


def read(name: tuple[str, str], *, rows: int | None = None, facets: dict[str, Any] | None = None, assertions: list[Any] | None = None) -> InputDataset:
    """A dataset that was read."""
    own: dict[str, Any] = {}
    if rows is not None:
        own["inputStatistics"] = facet(input_statistics_input_dataset.InputStatisticsInputDatasetFacet, rowCount=rows)
    if assertions:
        own["dataQualityAssertions"] = facet(data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet, assertions=assertions)
    return InputDataset(*name, facets=facets or {}, inputFacets=own)


def made(name: tuple[str, str], *, rows: int | None = None, size: int | None = None, files: int | None = None,
         facets: dict[str, Any] | None = None) -> OutputDataset:
    """A dataset that was made."""
    own: dict[str, Any] = {}
    if rows is not None:
        own["outputStatistics"] = facet(output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet, rowCount=rows, size=size, fileCount=files)
    return OutputDataset(*name, facets=facets or {}, outputFacets=own)


def kind_facets(kind: str, version: str) -> dict[str, Any]:
    """What a dataset is (TABLE, FILE), and which version of it: the run, or the hash of the package."""
    return {"datasetType": facet(dataset_type_dataset.DatasetTypeDatasetFacet, datasetType=kind),
            "version": facet(dataset_version_dataset.DatasetVersionDatasetFacet, datasetVersion=version)}


def source_schema(columns: Iterable[Any]) -> dict[str, Any]:
    """The columns of a source table as its contract has them."""
    fields = [schema_dataset.SchemaDatasetFacetFields(c.name, c.text, c.note or None) for c in columns]
    return {"schema": facet(schema_dataset.SchemaDatasetFacet, fields=fields)}


def item_schema(items: Iterable[DataItem]) -> dict[str, Any]:
    """Data items by code, type and the regulator's name."""
    fields = [schema_dataset.SchemaDatasetFacetFields(i.code, i.type, i.name.get("zh") or i.name.get("en")) for i in items]
    return {"schema": facet(schema_dataset.SchemaDatasetFacet, fields=fields)}


def mapped_lineage(table: Table, origins: TableOrigins, naming: Naming, masked: Callable[[DataItem], bool] = lambda item: False) -> dict[str, Any]:
    """Column lineage of the items of a table from source columns; `masked` says whose values nobody can read any more."""
    fields = {}
    for item in table.items:
        found = origins.items.get(item.code, ())
        if found:
            hidden = masked(item)
            fields[item.code] = _field([_input(naming(o.system, o.table), o, hidden) for o in found], hidden,
                                       all(step.subtype == IDENTITY for o in found for step in o.steps if step.kind == DIRECT))
    return _lineage(fields, [_input(naming(o.system, o.table), o, None) for o in origins.rows])


def copied_lineage(table: Table, before: tuple[str, str], masked: Callable[[DataItem], bool] = lambda item: False, *, assigned: bool = True) -> dict[str, Any]:
    """Column lineage where each item is made of the item of the same code in the dataset `before`."""
    fields = {}
    for item in table.items:
        if assigned or not item.assigned:
            hidden = masked(item)
            step = Step(DIRECT, TRANSFORMATION if hidden else IDENTITY)
            fields[item.code] = _field([_input(before, Origin("", "", item.code, (step,)), hidden)], hidden, not hidden)
    return _lineage(fields, [])


def column_copies(columns: Iterable[Any], before: tuple[str, str]) -> dict[str, Any]:
    """Column lineage of an extract: every column as it is in its table."""
    step = (Step(DIRECT, IDENTITY),)
    return _lineage({c.name: _field([_input(before, Origin("", "", c.name, step), False)], False, True) for c in columns}, [])


def _lineage(fields: dict[str, Any], rows: list[Any]) -> dict[str, Any]:
    return {"columnLineage": facet(column_lineage_dataset.ColumnLineageDatasetFacet, fields=fields, dataset=rows)} if fields else {}


def _field(inputs: list[Any], hidden: bool, identity: bool) -> Any:
    # Older readers know nothing of `transformations` and look at the field's own type.
    return column_lineage_dataset.Fields(inputs, transformationType="MASKED" if hidden else "IDENTITY" if identity else None)


def _input(name: tuple[str, str], origin: Origin, hidden: bool | None) -> Any:
    steps = []
    for step in origin.steps:
        masking = None if hidden is None else hidden and step.kind == DIRECT
        subtype = TRANSFORMATION if masking and step.subtype == IDENTITY else step.subtype
        steps.append(column_lineage_dataset.Transformation(step.kind, subtype, step.text or None, masking))
    return column_lineage_dataset.InputField(*name, origin.column, steps)


def assertions(table: Table, outcomes: Iterable[RuleOutcome]) -> list[Any]:
    """What the check rules said of a table, in counts. A rule that was skipped asserts nothing."""
    told = []
    for one in outcomes:
        if one.table != table.code or one.outcome == "skipped":
            continue
        column = next((part for part in one.rule.split("-")[2:3] if part in table.by_code), None)
        told.append(data_quality_assertions_dataset.Assertion(
            one.family, one.outcome == "passed", column, "error" if one.severity == "error" else "warn", one.rule,
            f"errored: {one.reason}" if one.outcome == "errored" else None, "0", str(one.failed), params={"judged": one.judged}))
    return told


def as_json(event: Any) -> dict[str, Any]:
    """An event as it is sent."""
    from openlineage.client.serde import Serde

    return Serde.to_dict(event if isinstance(event, dict) else attr.asdict(event))
