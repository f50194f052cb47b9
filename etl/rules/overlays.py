"""Local overlays: what one jurisdiction adds to a standard's rules, asks more strictly, or does without.

`validation_rules/<standard>/local/<jurisdiction>/<TABLE>.yaml` may hold `rules` (more of them), `tighten` and `silence`. An
overlay never loosens a rule unseen: `tighten` can only make a rule stricter, and a silenced rule is still listed, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from etl.errors import EastboundError, raise_problems
from etl.expressions import Expression, ExpressionBroken, parse_expression
from etl.packs.roots import PackRoots, rule_files
from etl.packs.shape import Shape, hint
from etl.packs.yamlfile import read_yaml
from etl.rules.definition import Rule, RuleOutcome
from etl.rules.loader import RuleReader, _file, check_requirements, item_scope, partner_scope
from etl.standard.definition import Standard

TIGHTEN_KEYS = ("id", "severity", "expect", "tolerance", "message", "basis", "examples", "changed", "note")
SILENCE_KEYS = ("id", "reason", "basis", "changed", "note")


class OverlayUnknown(EastboundError):
    zh = "标准 {standard} 没有辖区 {jurisdiction} 的地方规则；已有：{known}。新增请建 validation_rules/{standard}/local/{jurisdiction}/<表>.yaml"
    en = ("{standard} has no local rules of jurisdiction {jurisdiction}; there are: {known}. "
          "To add some, write validation_rules/{standard}/local/{jurisdiction}/<TABLE>.yaml")


def overlays(standard: str, roots: PackRoots | None = None) -> dict[str, Path]:
    """Folder of each jurisdiction's overlay (six-digit division code), over all pack roots."""
    return {name: folder for name, folder in (roots or PackRoots.of()).overlays(standard).items() if re.fullmatch(r"\d{6}", name)}


def overlay_folder(standard: str, jurisdiction: str, roots: PackRoots | None = None) -> Path:
    """The folder of one jurisdiction's overlay. Raises OverlayUnknown."""
    folders = overlays(standard, roots)
    if jurisdiction not in folders:
        raise OverlayUnknown(standard=standard, jurisdiction=jurisdiction, known=", ".join(folders) or "-")
    return folders[jurisdiction]


def overlaid(base: Sequence[Rule], standard: Standard, jurisdiction: str, roots: PackRoots | None = None, tables: set[str] | None = None) -> list[Rule]:
    """The `base` rules as a jurisdiction wants them, then those that it adds. Raises OverlayUnknown, PackFileBroken or Problems."""
    folder = overlay_folder(standard.name, jurisdiction, roots)
    errors: list[EastboundError] = []
    rules = {rule.id: rule for rule in base}
    touched: set[str] = set()
    requiring = []
    for path in rule_files(folder):
        if tables and path.stem not in tables:
            continue
        shape = Shape(read_yaml(path), errors)
        added: dict[str, Rule] = {}
        for index, rule in _file(shape, standard, jurisdiction):
            if rule.id in rules or rule.id in added:
                shape.fault("rules", index, "id", zh=f"规则编号 {rule.id} 重复", en=f"rule id {rule.id} appears twice")
            added[rule.id] = rule
            requiring += [(shape, index, rule)] if rule.requires else []
        _changes(shape, standard, jurisdiction, rules, touched)
        rules |= added
    for shape, index, rule in requiring:
        check_requirements(shape, index, rule, rules, standard)
    raise_problems(errors)
    return list(rules.values())


def silenced_outcomes(rules: Sequence[Rule]) -> list[RuleOutcome]:
    """What is noted of silenced rules: skipped, with the jurisdiction that silenced each and on what basis."""
    return [RuleOutcome(r.id, r.family, r.severity, r.table, "skipped", 0, 0, f"silenced {r.jurisdiction}: {r.silenced.get('basis', '')}") for r in rules if r.silenced]


def _changes(shape: Shape, standard: Standard, jurisdiction: str, rules: dict[str, Rule], touched: set[str]) -> None:
    """Apply `tighten` and `silence` of one file to `rules`; a rule may be changed once."""
    data = shape.document.data if isinstance(shape.document.data, dict) else {}
    for key, keys in (("tighten", TIGHTEN_KEYS), ("silence", SILENCE_KEYS)):
        for index, raw in enumerate(shape.listing(data.get(key), key)):
            entry = _Entry(shape, (key, index), raw, standard, jurisdiction)
            rule = entry.rule(keys, rules, touched, data.get("table"))
            if rule is None:
                continue
            made = entry.tightened(rule) if key == "tighten" else entry.silenced(rule)
            if made is not None:
                # The file's own day has been read, and any fault of it told, with the rules that it adds.
                day = shape.day(entry.raw.get("changed"), *entry.at, "changed") or shape.day(data.get("changed"))
                rules[rule.id] = replace(made, changed=day or rule.changed, jurisdiction=jurisdiction)


class _Entry:
    """One entry of `tighten` or `silence`; `at` is its place in the file."""

    def __init__(self, shape: Shape, at: tuple, raw: Any, standard: Standard, jurisdiction: str) -> None:
        self.shape, self.at, self.standard, self.jurisdiction = shape, at, standard, jurisdiction
        self.raw: dict[str, Any] = shape.mapping(raw, *at)
        self.id = shape.text(self.raw.get("id"), *at, "id")

    def fault(self, *at: Any, zh: str, en: str) -> None:
        self.shape.fault(*self.at, *at, zh=f"{self.id}：{zh}", en=f"{self.id}: {en}")

    def rule(self, keys: Sequence[str], rules: dict[str, Rule], touched: set[str], table: Any) -> Rule | None:
        """The rule that the entry names, if the entry may change it."""
        self.shape.keys(self.raw, keys, *self.at)
        self.shape.texts(self.raw.get("note"), *self.at, "note")
        rule = rules.get(self.id)
        if not self.id:
            self.shape.fault(*self.at, zh="缺少 id：写明要收紧或停用的规则编号", en="no id: name the rule to tighten or to silence")
        elif rule is None:
            zh, en = hint(self.id, rules)
            why = (("字典推出的规则不能在地方规则中改动，请修改标准的表定义", "a rule derived from the dictionary is changed in the standard's table, not in an overlay")
                   if re.search(r"-(REQ|LEN|CODE|TYPE|FMT|MAP|REF|UNQ|JOIN)$", self.id) else ("没有这条规则", "there is no such rule"))
            self.fault("id", zh=why[0] + zh, en=why[1] + en)
        elif rule.table != table:
            self.fault("id", zh=f"这是表 {rule.table} 的规则，应写在 {rule.table}.yaml", en=f"this is a rule of table {rule.table} and belongs in {rule.table}.yaml")
        elif self.id in touched:
            self.fault("id", zh="同一规则只能改动一次，请合并", en="a rule is changed once; put the changes together")
        elif not self.shape.text(self.raw.get("basis"), *self.at, "basis"):
            self.fault("basis", zh="缺少 basis：写明依据及其可信度（E/R/I/G）", en="no basis: say where this comes from and how well it is known (E/R/I/G)")
        else:
            touched.add(self.id)
            return rule
        return None

    def silenced(self, rule: Rule) -> Rule | None:
        reason = self.shape.texts(self.raw.get("reason"), *self.at, "reason")
        if not (reason.get("zh") and reason.get("en")):
            self.fault("reason", zh="停用规则须有 reason，含 zh 与 en", en="a rule is silenced for a reason; give zh and en")
            return None
        return replace(rule, silenced={**reason, "basis": str(self.raw["basis"])})

    def tightened(self, rule: Rule) -> Rule | None:
        before = len(self.shape.errors)
        severity = self.shape.one_of(self.raw.get("severity"), ("error", "warning"), *self.at, "severity", default=rule.severity)
        if (rule.severity, severity) == ("error", "warning"):
            self.fault("severity", zh="地方规则不得把 error 放宽为 warning；确需停用请用 silence 并写明原因",
                       en="an overlay may not loosen an error to a warning; if it must not apply, silence it and say why")
        expect = self._expect(rule)
        reconcile = self._reconcile(rule)
        if len(self.shape.errors) == before and (severity, expect, reconcile) == (rule.severity, rule.expect, rule.reconcile):
            self.fault(zh="没有收紧任何内容：给出更高的 severity、附加的 expect 或更小的 tolerance", en="nothing is tightened: give a higher severity, an expect to add, or a smaller tolerance")
        message = self.shape.texts(self.raw.get("message"), *self.at, "message")
        good, bad = rule.examples_pass, rule.examples_fail
        if "examples" in self.raw or (expect, reconcile) != (rule.expect, rule.reconcile):
            reader = RuleReader(self.shape, self.at, {**self.raw, "id": self.id}, self.standard.tables[rule.table], self.standard)
            examples = reader.examples(rule.kind)
            # What failed the rule must fail the stricter one; what passed it need not pass.
            good, bad = examples["pass"], (*rule.examples_fail, *examples["fail"])
        if len(self.shape.errors) > before:
            return None
        return replace(
            rule, severity=severity, expect=expect, reconcile=reconcile, message={**rule.message, **message}, examples_pass=good, examples_fail=bad,
            basis="; ".join(part for part in (rule.basis, str(self.raw["basis"])) if part), path=str(self.shape.document.path), line=self.shape.document.line(*self.at))

    def _expect(self, rule: Rule) -> Expression | None:
        """The rule's own expectation and the overlay's: both must hold, so that nothing that failed passes."""
        text = self.raw.get("expect")
        if text is None:
            return rule.expect
        if rule.expect is None:
            self.fault("expect", zh=f"{rule.kind} 规则没有 expect，不能附加", en=f"a {rule.kind} rule without expect takes none")
            return None
        table = self.standard.tables[rule.table]
        scope = partner_scope(table, self.standard, rule.relation) if rule.relation else item_scope(table, self.standard)
        if isinstance(text, (dict, list)):
            self.fault("expect", zh="应是表达式", en="an expression is wanted here")
            return None
        try:
            parse_expression(text, scope, "bool")
            return parse_expression(f"({rule.expect.text}) AND ({text})", scope, "bool")
        except ExpressionBroken as error:
            self.fault("expect", zh=error.sentence("zh"), en=error.sentence("en"))
            return None

    def _reconcile(self, rule: Rule) -> Any:
        tolerance = self.raw.get("tolerance")
        if tolerance is None:
            return rule.reconcile
        number = isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool)
        if rule.reconcile is None:
            self.fault("tolerance", zh=f"{rule.kind} 规则没有 tolerance", en=f"a {rule.kind} rule has no tolerance")
        elif not number or not 0 <= tolerance < rule.reconcile.tolerance:
            self.fault("tolerance", zh=f"tolerance 应为 0 至 {rule.reconcile.tolerance:g} 之间更小的数", en=f"tolerance should be a number from 0 on that is smaller than {rule.reconcile.tolerance:g}")
        else:
            return replace(rule.reconcile, tolerance=float(tolerance))
        return None
