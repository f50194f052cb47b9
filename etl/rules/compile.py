"""Compile rules to SQL: one scan for all row rules of a table, one join for all relations that join alike.

A failing row is named by `_row`, its number in its table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from etl.engines.local import literal, quote
from etl.expressions import Expression
from etl.expressions.functions import MEMBERSHIP, REGISTERED
from etl.expressions.kernels import SharedColumns
from etl.expressions.known import known
from etl.expressions.syntax import call_of
from etl.rules.definition import Relation, Rule, Side
from etl.rules.judged import judged_rows, own_column

Call = Callable[[str, list[str], object], "str | None"]


def _sql(expression: Expression | None, column=own_column, call: Call | None = None) -> str:
    return expression.sql(column, call) if expression else "TRUE"


def failing_condition(rule: Rule, call: Call | None = None) -> str:
    """SQL over `t` that is TRUE for a row that fails a row rule; NULL or FALSE otherwise.

    A row whose code could not be mapped is reported once, by MAP: it does not fail for being empty as well.
    """
    condition = f"NOT {_sql(rule.expect, call=call)}"
    if rule.family == "required":
        condition += f" AND NOT coalesce(list_contains(t._unmapped, {literal(rule.item)}), FALSE)"
    return f"({_sql(rule.when, call=call)} AND {condition})" if rule.when else f"({condition})"


def compile_row_rules(table: str, rules: Sequence[Rule]) -> str:
    """The failing rows of a table's row rules: `_row`, `_rule` (place in `rules`)."""
    scan = RowScan(table, rules)
    cases = ", ".join(f"CASE WHEN {scan.bit(place)} THEN {place} END" for place in range(len(rules)))
    return f"SELECT _row, unnest(list_filter([{cases}], lambda x: x IS NOT NULL)) AS _rule FROM ({scan.sql}) AS m"


class RowScan:
    """One pass over `data.<table>` for all its row rules: a row that fails any, with a bit for each that it fails.

    Rules are tried in groups: a row leaves when no group has a rule that it fails, and only rows with a failure in a
    group are asked which rules of the group it was. What several rules share is a column of its own. `sql` yields the
    `kept` columns and the bits (see `bit`); run it with `Engine.unpushed`: filters pushed below the shared columns
    would work them out again. `known` gives, by place in `rules`, the condition of a failing row for rules that were
    judged by value. With `judging`, `doubts` are the places of rules that have a second bit, set on the rows that
    `judged_rows` counted although the rule could not judge them.

    Rules that cost much (patterns, checksums) stand in groups of their own, so that the others stay with cheap company.
    """

    WIDTH = 20

    def __init__(self, table: str, rules: Sequence[Rule], known: Mapping[int, str] | None = None, never_null: Collection[str] = (), kept: Collection[str] = ("_row",), judging: bool = False) -> None:
        shared = SharedColumns("t")
        ready = known or {}

        def conditions() -> tuple[list[str], dict[int, str]]:
            failing = [ready[place] if place in ready else failing_condition(rule, shared.call) for place, rule in enumerate(rules)]
            doubtful = {place: judged_rows(rule, never_null, shared.call).doubtful for place, rule in enumerate(rules) if judging and place not in ready}
            return failing, {place: sql for place, sql in doubtful.items() if sql is not None}

        conditions()
        shared.settle()
        failing, doubtful = conditions()
        self.doubts = {place: len(failing) + n for n, place in enumerate(doubtful)}
        every = [*failing, *doubtful.values()]
        costly = [place < len(rules) and place not in ready and _costs_much(rules[place]) for place in range(len(every))]
        order = sorted(range(len(every)), key=lambda place: not costly[place])
        self._position = {place: position for position, place in enumerate(order)}
        groups = [[every[place] for place in order[start : start + self.WIDTH]] for start in range(0, len(order), self.WIDTH)]
        self.masks = [f"_m{n}" for n in range(len(groups))]
        hit, masks = [], []
        for n, group in enumerate(groups):
            hit.append(f"CASE WHEN {' OR '.join(group)} THEN 1 ELSE 0 END AS _g{n}")
            bits = " | ".join(f"CASE WHEN {condition} THEN {1 << place} ELSE 0 END" for place, condition in enumerate(group))
            masks.append(f"CASE WHEN t._g{n} = 1 THEN {bits} ELSE 0 END AS _m{n}")
        comma = ",\n  "
        self.sql = (f"SELECT {', '.join(own_column(name) for name in kept)},\n  {comma.join(masks)}\n"
                    f"FROM (SELECT t.*,\n  {comma.join(hit)}\n  FROM {shared.wrap(f'data.{quote(table)}')}) AS t\n"
                    f"WHERE {' OR '.join(f't._g{n} = 1' for n in range(len(groups)))}")

    def bit(self, place: int) -> str:
        """SQL over the scan's columns: whether the bit at `place` is set."""
        mask, bit = divmod(self._position[place], self.WIDTH)
        return f"(_m{mask} & {1 << bit}) <> 0"

    def any_set(self, union: Sequence[int], place: int) -> bool:
        """Whether the bit at `place` is set in `union`, the masks of several rows joined by OR."""
        mask, bit = divmod(self._position[place], self.WIDTH)
        return bool(union[mask] >> bit & 1)


def _costs_much(rule: Rule) -> bool:
    """Whether a rule calls what takes long per row: patterns, checksums, look-ups."""
    calls = [call_of(node) for expression in (rule.when, rule.expect) if expression for node in expression.tree.walk()]
    return any(call and (call[0] in REGISTERED or call[0] in MEMBERSHIP or call[0] == "regexp_matches") for call in calls)


def join_of(rule: Rule) -> tuple:
    """What relations must have in common to share a join."""
    relation = rule.relation
    assert relation is not None
    kind = "aggregate" if relation.aggregate else "partner" if rule.expect is not None else "existence"
    return kind, relation.to, tuple(relation.on.items()), relation.to_where.text if relation.to_where else ""


def compile_relations(rules: Sequence[Rule], several: bool = True) -> str:
    """Relations that share a join (see `join_of`), as one row: per rule `_f<n>`, the list of failing rows, and `_j<n>`.

    `_j<n>` counts the rows that could be judged, or is NULL where the rule's own table tells (see `judged`). `several`
    says that a row may have several partners, so that rows have to be told apart.
    """
    relation = rules[0].relation
    assert relation is not None
    own, target = f"data.{quote(rules[0].table)} AS t", f"data.{quote(relation.to)}"
    present = " AND ".join(f"t.{quote(own_item)} IS NOT NULL" for own_item in relation.on)
    where_target = _sql(relation.to_where, quote)
    kind = join_of(rules[0])[0]
    if kind == "existence":
        # A parent set aside for a bad value still exists: its children are not orphans.
        keys = ", ".join(quote(b) for b in relation.on.values())
        source = (f"{own} ANTI JOIN (SELECT {keys} FROM {target} WHERE {where_target} "
                  f"UNION ALL SELECT {keys} FROM aside.{quote(relation.to)}) AS p ON {_joined(relation, 'p')} WHERE {present}")
        return _one_row([(_sql(rule.when), None) for rule in rules], source)
    if kind == "partner":
        def partner_column(name: str) -> str:
            prefix, _, item = name.rpartition(".")
            return f"p.{quote(item)}" if prefix else own_column(name)

        source = f"{own} JOIN (SELECT * FROM {target} WHERE {where_target}) AS p ON {_joined(relation, 'p')} WHERE {present}"
        return _one_row([_expected(rule, partner_column) for rule in rules], source, "DISTINCT " if several else "")
    return _compile_aggregates(rules, own, target, where_target, present)


def _compile_aggregates(rules: Sequence[Rule], own: str, target: str, where_target: str, present: str) -> str:
    """Rules about the partners taken together; equal aggregates are worked out once."""
    relation = rules[0].relation
    assert relation is not None
    keys = ", ".join(quote(b) for b in relation.on.values())
    names: dict[str, str] = {}
    for rule in rules:
        assert rule.relation is not None
        for expression in rule.relation.aggregate.values():
            names.setdefault(expression.sql(quote), f"_a{len(names)}")

    def column_of(aggregates: dict[str, Expression]) -> Callable[[str], str]:
        def column(name: str) -> str:
            if name not in aggregates:
                return own_column(name)
            value = f"a.{names[aggregates[name].sql(quote)]}"
            return f"coalesce({value}, 0)" if aggregates[name].text.strip().lower().startswith("count") else value

        return column

    values = ", ".join(f"{sql} AS {name}" for sql, name in names.items())
    source = (f"{own} LEFT JOIN (SELECT {keys}, {values} FROM {target} WHERE {where_target} GROUP BY {keys}) AS a "
              f"ON {_joined(relation, 'a')} WHERE {present}")
    return _one_row([_expected(rule, column_of(rule.relation.aggregate)) for rule in rules if rule.relation], source)


def _joined(relation: Relation, alias: str) -> str:
    return " AND ".join(f"t.{quote(a)} = {alias}.{quote(b)}" for a, b in relation.on.items())


def _expected(rule: Rule, column: Callable[[str], str]) -> tuple[str, str]:
    """(failing, judged) conditions of a relation with an expectation."""
    assert rule.expect is not None
    when = f"{_sql(rule.when)} AND " if rule.when else ""
    return f"({when}NOT {rule.expect.sql(column)})", f"({when}{known(rule.expect.tree, column).sql})"


def _one_row(conditions: Sequence[tuple[str, str | None]], source: str, distinct: str = "") -> str:
    columns = []
    for number, (failing, judged) in enumerate(conditions):
        columns.append(f"list({distinct}t._row) FILTER (WHERE {failing}) AS _f{number}")
        if judged is None:
            counted = "CAST(NULL AS BIGINT)"
        else:
            counted = f"count(DISTINCT t._row) FILTER (WHERE {judged})" if distinct else f"count_if({judged})"
        columns.append(f"{counted} AS _j{number}")
    return f"SELECT {', '.join(columns)} FROM {source}"


def compile_unique(rule: Rule) -> str:
    """Every row of a group that shares its values. Mostly there is none, and then the rows are not looked at again."""
    items = ", ".join(own_column(name) for name in rule.unique)
    same = " AND ".join(f"{own_column(name)} = d.{quote(name)}" for name in rule.unique)
    where = " AND ".join([_sql(rule.when), *(f"{own_column(name)} IS NOT NULL" for name in rule.unique)])
    source = f"data.{quote(rule.table)} AS t"
    return (f"SELECT t._row FROM {source} SEMI JOIN (SELECT {items} FROM {source} WHERE {where} GROUP BY {items} HAVING count(*) > 1) AS d "
            f"ON {same} WHERE {where}")


def compile_reconcile(rule: Rule) -> str:
    """Groups whose two sums differ: `_key`, `_left`, `_right`."""
    return f"SELECT _key, _left, _right FROM ({compile_groups(rule)}) WHERE {differing(rule)}"


def compile_groups(rule: Rule) -> str:
    """All groups of a reconciliation with their two sums, agreeing or not: `_key`, `_left`, `_right`."""
    reconcile = rule.reconcile
    assert reconcile is not None

    def side(s: Side) -> str:
        keys = "".join(f"CAST({quote(name)} AS VARCHAR) AS k{i}, " for i, name in enumerate(s.by))
        group = (" GROUP BY " + ", ".join(f"k{i}" for i in range(len(s.by)))) if s.by else ""
        return f"(SELECT {keys}{s.value.sql(quote)} AS v FROM data.{quote(s.table)} WHERE {_sql(s.where, quote)}{group})"

    count = len(reconcile.left.by)
    on = " AND ".join(f"l.k{i} IS NOT DISTINCT FROM r.k{i}" for i in range(count)) or "TRUE"
    key = " || '|' || ".join(f"coalesce(l.k{i}, r.k{i}, '')" for i in range(count)) or "''"
    return (f"SELECT {key} AS _key, coalesce(l.v, 0) AS _left, coalesce(r.v, 0) AS _right FROM {side(reconcile.left)} AS l "
            f"FULL OUTER JOIN {side(reconcile.right)} AS r ON {on}")


def differing(rule: Rule) -> str:
    """SQL over the groups of a reconciliation: whether the two sums differ by more than its tolerance."""
    assert rule.reconcile is not None
    return f"abs(_left - _right) > {rule.reconcile.tolerance!r}"


def compile_single(rule: Rule) -> str:
    """The failing rows of one rule that is neither a row rule nor a reconciliation: `_row`."""
    return compile_unique(rule) if rule.kind == "unique" else f"SELECT unnest(_f0) AS _row FROM ({compile_relations([rule])})"
