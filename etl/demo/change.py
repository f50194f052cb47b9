"""A day at the demo insurer: a share of its policies changes in the core systems, the way business changes them.

Updates move the watermark (`ModifyTime`); some rows change twice; policies come and go; rows are deleted and created again; and some
policies are entered late, with a watermark of long ago. Policies that come or go have no event in the month of the day, so that the
month's ledger still adds up: a clean insurer stays clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from etl.demo.columns import stream
from etl.demo.stamps import STAMP
from etl.demo.store import open_database, relations

# What belongs to a policy, and the numbers that a new policy has of its own.
OWNED = {"life_admin": ("LCCont", "LCAppnt", "LCInsured", "LCBnf", "LCPol", "LJAPay", "LACommision"), "service": ("CallBack",)}
NUMBERS = ("ContNo", "PrtNo", "PolNo", "MainPolNo", "PayNo", "BnfId", "CommisionSN", "CallId")
# A policy that is found in one of these has a story that others tell too.
TOLD = {"life_admin": ("LPEdorItem", "LJAGet"), "claims": ("LLClaimPolicy",), "reinsurance": ("Cession",), "service": ("Enquiry", "Complaint")}
# Share of the policies that change, by what happens to them.
KINDS = {"updated": 0.4, "updated twice": 0.1, "new": 0.2, "entered late": 0.1, "deleted": 0.1, "created again": 0.1}
_CHUNK = 500
_OWN_LENGTH = 15


@dataclass
class DayOfChanges:
    """What was done: policies (or customers) by kind, rows by system.table and what was done to them."""

    day: date
    kinds: Counter[str] = field(default_factory=Counter)
    rows: Counter[tuple[str, str]] = field(default_factory=Counter)


class _Insurer:
    def __init__(self, urls: dict[str, str], stack: ExitStack) -> None:
        from etl.sources.loader import load_source

        self.connections: dict[str, sa.Connection] = {}
        self.tables: dict[str, dict[str, sa.Table]] = {}
        for system in ("life_admin", *dict.fromkeys([*OWNED, *TOLD, "pension"])):
            if system in urls and system not in self.connections:
                engine = open_database(urls[system])
                stack.callback(engine.dispose)
                self.connections[system] = stack.enter_context(engine.begin())
                self.tables[system] = relations(load_source(system))

    def rows(self, system: str, table: str, column: str, values: Iterable[str]) -> list[dict[str, Any]]:
        """Rows whose column has one of the values, in the order of their key."""
        found = self.tables[system][table]
        return [dict(row) for part in _parts(values) for row in
                self.connections[system].execute(sa.select(found).where(found.c[column].in_(part)).order_by(*found.primary_key)).mappings()]

    def having(self, system: str, table: str, column: str, values: Iterable[str], *conditions: Any) -> set[str]:
        """Those of the values that the column has."""
        if system not in self.tables:
            return set()
        found = self.tables[system][table].c[column]
        return {value for part in _parts(values) for value in self.connections[system].execute(sa.select(found).where(found.in_(part), *conditions).distinct()).scalars()}

    def insert(self, system: str, table: str, rows: Sequence[dict[str, Any]]) -> int:
        if rows:
            self.connections[system].execute(self.tables[system][table].insert(), list(rows))
        return len(rows)

    def delete(self, system: str, table: str, column: str, values: Iterable[str]) -> int:
        found = self.tables[system][table]
        return sum(self.connections[system].execute(found.delete().where(found.c[column].in_(part))).rowcount for part in _parts(values))


def change_insurer(urls: dict[str, str], *, share: float = 0.001, seed: int = 1, day: date | None = None) -> DayOfChanges:
    """Change about `share` of the policies as of `day` (default: the day after the last change). At least one of every kind happens.

    The same databases, seed and day give the same changes. Systems that are not in `urls` are left alone.
    """
    with ExitStack() as stack:
        insurer = _Insurer(urls, stack)
        policies = insurer.tables["life_admin"]["LCCont"]
        life = insurer.connections["life_admin"]
        last = life.scalar(sa.select(sa.func.max(policies.c[STAMP])))
        day = day or last.date() + timedelta(days=1)
        numbers = sorted(life.execute(sa.select(policies.c.ContNo).where(sa.func.length(policies.c.ContNo) == _OWN_LENGTH, policies.c.ContType == "1", policies.c.State == "1",
                                                                         policies.c.SuspendDate.is_(None))).scalars())
        wanted = {kind: max(1, round(share * len(numbers) * part)) for kind, part in KINDS.items()}
        rng = stream(seed, f"change {day}")
        order = [numbers[i] for i in rng.permutation(len(numbers)).tolist()]
        done = DayOfChanges(day)
        quiet = _quiet(insurer, order, day)
        stamps = _stamps(day)
        new = [next(quiet) for _ in range(wanted["new"])]
        late = [next(quiet) for _ in range(wanted["entered late"])]
        turn = int(life.scalar(sa.select(sa.func.max(sa.func.substr(policies.c.ContNo, _OWN_LENGTH + 1, 3))).where(sa.func.length(policies.c.ContNo) > _OWN_LENGTH)) or 0) + 1
        # Gone are other policies than those that are copied; the customers of what is left get new addresses.
        gone = _gone(insurer, quiet, wanted["deleted"], done)
        taken = {*new, *late, *gone}
        rest = [number for number in order if number not in taken]
        again = rest[: wanted["created again"]]
        _copy(insurer, new, f"{turn:03d}", stamps, done)
        _copy(insurer, late, f"{turn + 1:03d}", None, done)
        _create_again(insurer, again, stamps, done)
        _update(insurer, rest[len(again):], wanted["updated"], wanted["updated twice"], stamps, done)
        done.kinds.update({"new": len(new), "entered late": len(late), "deleted": len(gone), "created again": len(again)})
        return done


def _quiet(insurer: _Insurer, order: Sequence[str], day: date) -> Iterator[str]:
    """Policies without a story beside their own, and without money moving since the month before `day`."""
    month = day.replace(day=1)
    before = (month - timedelta(days=45)).replace(day=1)
    life = insurer.tables["life_admin"]
    for part in _parts(order):
        loud = insurer.having("life_admin", "LJAPay", "ContNo", part, life["LJAPay"].c.ConfDate >= before)
        loud |= insurer.having("life_admin", "LACommision", "ContNo", part, sa.or_(life["LACommision"].c.CalDate >= before, life["LACommision"].c.PayDate.is_(None)))
        loud |= insurer.having("life_admin", "LCCont", "ContNo", part, sa.or_(life["LCCont"].c.SignDate >= before, life["LCCont"].c.EndDate < day + timedelta(days=62)))
        for system, tables in TOLD.items():
            for table in tables:
                loud |= insurer.having(system, table, "ContNo", part)
        yield from (number for number in part if number not in loud)


def _gone(insurer: _Insurer, quiet: Iterator[str], count: int, done: DayOfChanges) -> list[str]:
    """Delete policies that were entered by mistake, with the customers who have no other."""
    gone = [number for _, number in zip(range(count), quiet, strict=False)]
    people = {row[column] for table, column in (("LCAppnt", "AppntNo"), ("LCInsured", "InsuredNo")) for row in insurer.rows("life_admin", table, "ContNo", gone)}
    for system, tables in OWNED.items():
        for table in tables if system in insurer.tables else ():
            done.rows[f"{system}.{table}", "deleted"] += insurer.delete(system, table, "ContNo", gone)
    kept = insurer.having("life_admin", "LCAppnt", "AppntNo", sorted(people)) | insurer.having("life_admin", "LCInsured", "InsuredNo", sorted(people))
    kept |= insurer.having("pension", "PenContract", "HolderNo", sorted(people))
    done.rows["life_admin.LDPerson", "deleted"] += insurer.delete("life_admin", "LDPerson", "CustomerNo", sorted(people - kept))
    return gone


def _copy(insurer: _Insurer, numbers: Sequence[str], suffix: str, stamps: Iterator[datetime] | None, done: DayOfChanges) -> None:
    """Policies like others, under new numbers. Without stamps they keep the watermark of what they were copied from."""
    for system, tables in OWNED.items():
        for table in tables if system in insurer.tables else ():
            rows = []
            for row in insurer.rows(system, table, "ContNo", numbers):
                own = {name: f"{row[name]}{suffix}" for name in NUMBERS if row.get(name) is not None}
                rows.append({**row, **own, **({STAMP: next(stamps)} if stamps is not None else {})})
            done.rows[f"{system}.{table}", "inserted"] += insurer.insert(system, table, rows)


def _create_again(insurer: _Insurer, numbers: Sequence[str], stamps: Iterator[datetime], done: DayOfChanges) -> None:
    """Insured persons deleted and created again on the same day: every other one as it was, watermark and all."""
    rows = insurer.rows("life_admin", "LCInsured", "ContNo", numbers)
    insurer.delete("life_admin", "LCInsured", "ContNo", numbers)
    back = [{**row, STAMP: next(stamps)} if number % 2 == 0 else row for number, row in enumerate(rows)]
    done.rows["life_admin.LCInsured", "created again"] += insurer.insert("life_admin", "LCInsured", back)


def _update(insurer: _Insurer, numbers: Sequence[str], once: int, twice: int, stamps: Iterator[datetime], done: DayOfChanges) -> None:
    """Customers move house; some of them twice on the same day."""
    people = list(dict.fromkeys(row["AppntNo"] for row in insurer.rows("life_admin", "LCAppnt", "ContNo", numbers[: 2 * (once + twice)]) if row["AppntType"] == "P"))[: once + twice]
    table, life = insurer.tables["life_admin"]["LDPerson"], insurer.connections["life_admin"]
    statement = table.update().where(table.c.CustomerNo == sa.bindparam("customer")).values(Street=sa.bindparam("street"), **{STAMP: sa.bindparam("stamp")})
    for turn, moved in enumerate((people, people[:twice]), 1):
        if moved:
            life.execute(statement, [{"customer": person, "street": f"新华路{position % 900 + turn}号{position % 40 + 1}室", "stamp": next(stamps)} for position, person in enumerate(moved)])
    done.kinds.update({"updated": max(len(people) - twice, 0), "updated twice": min(twice, len(people))})
    done.rows["life_admin.LDPerson", "updated"] += len(people)


def _stamps(day: date) -> Iterator[datetime]:
    """Moments of the working day, over and over."""
    while True:
        yield from (datetime.combine(day, time(9)) + timedelta(seconds=37 * n) for n in range(800))


def _parts(values: Iterable[str]) -> Iterator[list[str]]:
    found = list(values)
    return (found[begin : begin + _CHUNK] for begin in range(0, len(found), _CHUNK))
