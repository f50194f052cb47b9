"""What can be judged only when all tables of a standard are there: references, their order, conditions."""

from __future__ import annotations

from collections.abc import Mapping

from etl.errors import EastboundError
from etl.packs.shape import Shape, hint
from etl.standard.definition import CodeTable, Table


class CyclicReference(EastboundError):
    zh = "{path}：表间引用成环 {cycle}，装载顺序无法确定；去掉其中一个 refs"
    en = "{path}: the references form a cycle {cycle}, so no load order exists; remove one of the refs"


def check_references(tables: Mapping[str, Table], shapes: Mapping[str, Shape]) -> None:
    """Every `refs` must name an item of the same kind, and the tables must have a load order."""
    # Here and not above: whoever only asks when a standard is due need not load the parser.
    from etl.expressions.parse import FAMILIES

    edges: dict[str, set[str]] = {code: set() for code in tables}
    for table in tables.values():
        for index, item in _indexed(table, shapes[table.code]):
            if not item.refs:
                continue
            at = ("items", index, "refs")
            target = tables.get(item.refs.table)
            if target is None or item.refs.item not in target.by_code:
                zh, en = hint(item.refs.table, tables) if target is None else hint(item.refs.item, target.by_code)
                shapes[table.code].fault(*at, zh=f"{item.code} 引用的 {item.refs.table}.{item.refs.item} 不存在{zh}",
                                         en=f"{item.code} refers to {item.refs.table}.{item.refs.item}, which does not exist{en}")
                continue
            if FAMILIES[item.type] != FAMILIES[target.by_code[item.refs.item].type]:
                shapes[table.code].fault(*at, zh=f"{item.code} 与 {target.code}.{item.refs.item} 类型不同",
                                         en=f"{item.code} and {target.code}.{item.refs.item} differ in type")
            if target.code != table.code:
                edges[table.code].add(target.code)
    cycle = find_cycle(edges)
    if cycle:
        shape = shapes[cycle[0]]
        shape.errors.append(CyclicReference(path=str(shape.document.path), cycle=" -> ".join(cycle)))


def check_conditions(tables: Mapping[str, Table], shapes: Mapping[str, Shape], codes: Mapping[str, CodeTable]) -> None:
    """`privacy_when` and `refs.when` must be expressions over the items of their own table."""
    from etl.expressions.parse import FAMILIES, ExpressionBroken, Scope, parse_expression

    for table in tables.values():
        scope = Scope({item.code: FAMILIES[item.type] for item in table.mapped_items}, frozenset(codes))
        for index, item in _indexed(table, shapes[table.code]):
            conditions = [(item.privacy_when, ("items", index, "privacy_when"))]
            if item.refs:
                conditions.append((item.refs.when, ("items", index, "refs", "when")))
            for text, at in conditions:
                if text is None:
                    continue
                try:
                    parse_expression(text, scope, "bool")
                except ExpressionBroken as error:
                    shapes[table.code].fault(*at, zh=f"{item.code}：{error.sentence('zh')}", en=f"{item.code}: {error.sentence('en')}")


def _indexed(table: Table, shape: Shape):
    # Items that were broken or doubled are not in the table: find each one's place in the file by its code.
    places = {raw["code"]: n for n, raw in enumerate(shape.document.data["items"]) if isinstance(raw, dict) and isinstance(raw.get("code"), str)}
    return [(places[item.code], item) for item in table.items]


def find_cycle(edges: Mapping[str, set[str]]) -> list[str] | None:
    """A cycle in the reference graph as a list that ends where it began, or None."""
    done: set[str] = set()
    trail: list[str] = []

    def visit(node: str) -> list[str] | None:
        if node in trail:
            return [*trail[trail.index(node):], node]
        if node in done:
            return None
        trail.append(node)
        for target in sorted(edges.get(node, ())):
            found = visit(target)
            if found:
                return found
        trail.pop()
        done.add(node)
        return None

    for start in sorted(edges):
        found = visit(start)
        if found:
            return found
    return None
