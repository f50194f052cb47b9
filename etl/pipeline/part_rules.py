"""Local rules on one jurisdiction's part: what its overlay adds or tightens, judged on the rows of the part.

The national check has been passed; only the overlay's own rules are left. Rows are judged in the clear, from the vault, each
file opened in a private scratch folder. Partners of a relation are looked for in the whole submission, since a partner that another
jurisdiction gets is not missing; a reconciliation compares what this jurisdiction gets with what it gets.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engines import open_engine
from etl.engines.local import Engine, literal, quote
from etl.ledger.definition import RuleOutcome as LedgerOutcome
from etl.packs.roots import PackRoots, rule_files
from etl.pipeline.placing import places
from etl.rules.definition import Rule, RuleOutcome

if TYPE_CHECKING:
    from etl.pipeline.context import RunContext
    from etl.pipeline.earlier import Earlier


@dataclass(frozen=True)
class LocalRules:
    """The overlay's rules in force at the period's end: those that run, and those of the national set that it silences."""

    rules: tuple[Rule, ...] = ()
    silenced: tuple[Rule, ...] = ()


def local_rules(context: RunContext, jurisdiction: str, roots: PackRoots) -> LocalRules:
    """What the overlay in `roots` makes of the rules that the run was judged by. Raises PackFileBroken or Problems."""
    from etl.rules.loader import load_rules, rules_within
    from etl.rules.overlays import overlaid, overlays

    folder = overlays(context.standard.name, roots).get(jurisdiction)
    tables = {path.stem for path in rule_files(folder)} if folder else set()
    if not tables:
        return LocalRules()
    whole = context._whole_standard
    made = overlaid(load_rules(whole, context.roots, tables), whole, jurisdiction, roots, tables)
    own = [rule for rule in rules_within(context.standard, made) if rule.jurisdiction == jurisdiction and rule.in_force(context.request.period.end)]
    return LocalRules(tuple(rule for rule in own if not rule.silenced), tuple(rule for rule in own if rule.silenced))


def check_part(context: RunContext, jurisdiction: str, found: LocalRules, folder: Path, run: str, earlier: Earlier | None) -> list[LedgerOutcome]:
    """Judge the part, write `folder`/<TABLE>.parquet; one outcome per local rule. `run` is the part's id in the ledger, `earlier` the part before."""
    from etl.rules.overlays import silenced_outcomes
    from etl.rules.versions import fingerprint

    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.parquet"):
        stale.unlink()
    outcomes = _judge(context, jurisdiction, found, folder, run, earlier) if found.rules else []
    outcomes += silenced_outcomes(found.silenced)
    versions = {rule.id: fingerprint(rule) for rule in [*found.rules, *found.silenced]}
    return [LedgerOutcome(o.rule, o.family, o.severity, o.table, o.outcome, o.judged, o.failed, o.reason, versions.get(o.rule, "")) for o in outcomes]


def _judge(context: RunContext, jurisdiction: str, found: LocalRules, folder: Path, run: str, earlier: Earlier | None) -> list[RuleOutcome]:
    from etl.pipeline.earlier import prepare
    from etl.privacy.display import item_sql
    from etl.rules.run import check_table

    outcomes: list[RuleOutcome] = []
    with ExitStack() as stack:
        scratch = stack.enter_context(context.vault.scratch())
        engine = stack.enter_context(open_engine(scratch / "spill", memory=context.request.memory))
        period = context.request.period
        engine.set_parameters(period_start=period.start, period_end=period.end, report_date=context.request.report_date)
        engine.load_codes(context.standard.codes.values(), period.end)
        setting = prepare(context, engine, (earlier, None))
        setting.run = run
        data = _Data(context, jurisdiction, engine, stack, scratch)
        for table in sorted({rule.table for rule in found.rules}):
            # Reconciliations come in a pass of their own, for they see only the part of every table.
            for number, kinds in enumerate((("row", "unique", "relation"), ("reconcile",))):
                rules = [rule for rule in found.rules if rule.table == table and rule.kind in kinds]
                if rules:
                    data.show(rules, whole_partners=number == 0)
                    setting.one_partner.clear()  # another table, another part: what was known of its keys no longer holds
                    name = f"{table}.parquet" if number == 0 else f"{table}.sums.parquet"
                    outcomes += check_table(engine, context.standard, context.standard.tables[table], rules, folder / name, show=item_sql, setting=setting)
    return outcomes


class _Data:
    """The standardised tables as the rules see them, taken out of the vault when a rule asks for them."""

    def __init__(self, context: RunContext, jurisdiction: str, engine: Engine, stack: ExitStack, scratch: Path) -> None:
        self.context, self.jurisdiction, self.engine, self.stack, self.scratch = context, jurisdiction, engine, stack, scratch
        self.whole: dict[str, Path] = {}
        self.part: dict[str, Path] = {}

    def show(self, rules: list[Rule], *, whole_partners: bool) -> None:
        """Make data.* and aside.* of the tables that the rules read: of the rules' own table the rows of the part."""
        for table in sorted({table for rule in rules for table in rule.tables()}):
            own = table == rules[0].table or not whole_partners
            self.engine.view_parquet("data", table, self._part(table) if own else self._whole(table))

    def _whole(self, table: str) -> Path:
        if table not in self.whole:
            read = self.context.vault.read
            self.whole[table] = self.stack.enter_context(read(self.context.run, f"standard/{table}.parquet"))
            aside = self.stack.enter_context(read(self.context.run, f"standard/{table}.aside.parquet"))
            self.engine.view_parquet("aside", table, aside)
        return self.whole[table]

    def _part(self, table: str) -> Path:
        if table not in self.part:
            target, whole = self.scratch / "part" / f"{table}.parquet", self._whole(table)
            where = "TRUE"
            if self.context.standard.tables[table].submitted:
                where = (f"_row IN (SELECT standard_row FROM read_parquet({literal(str(places(self.context, table)))}) "
                         f"WHERE jurisdiction = {literal(self.jurisdiction)})")
            elif (unit := self._unit(table)) is not None:
                where = f"{quote(unit)} IN (SELECT {self._units()})"
            self.engine.write_parquet(f"SELECT * FROM read_parquet({literal(str(whole))}) WHERE {where} ORDER BY _row", target)
            self.part[table] = target
        return self.part[table]

    def _unit(self, table: str) -> str | None:
        """The item of an auxiliary table (a ledger's totals) that names a unit of the directory."""
        from etl.standard.jurisdictions import jurisdictions_of_standard

        declared = jurisdictions_of_standard(self.context.standard)
        told = declared.directory if declared else None
        if told is None:
            return None
        return next((item.code for item in self.context.standard.tables[table].items if item.refs and (item.refs.table, item.refs.item) == (told.table, told.unit)), None)

    def _units(self) -> str:
        declared = self.context.standard.jurisdictions
        assert declared is not None and declared.directory is not None
        told = declared.directory
        masked = literal(str(self.context.masked(told.table)))
        return f"{quote(told.unit)} FROM read_parquet({masked}) WHERE {quote(told.area)} = {literal(self.jurisdiction)}"
