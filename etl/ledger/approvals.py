"""Approvals in the ledger: who decided what on which package, and the rules that no way of deciding gets around.

Each decision is one transaction with its link in the audit chain. Nothing is changed or deleted: a decision is followed by
another one, and the last one counts. Whoever asks people (the command, a scheduler) writes through `ApprovalBook.decide`.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, case, select

from etl.errors import EastboundError
from etl.ledger.database import writing
from etl.ledger.definition import SEALED, AuditEvent, Run
from etl.ledger.ledger import Ledger, append_link
from etl.ledger.models import ApprovalRow, AuditEventRow, RunRow, StageCountRow
from etl.ledger.registry_models import RegistryBatchRow

APPROVED, REJECTED, WITHDRAWN = "approved", "rejected", "withdrawn"
DECISIONS = (APPROVED, REJECTED, WITHDRAWN)
# 'findings' is kept free for the sign-off of findings.
PACKAGE = "package"
DECISION_NAMES = {APPROVED: ("批准", "approved"), REJECTED: ("退回", "rejected"), WITHDRAWN: ("撤回批准", "withdrawn")}
ACTIONS = {APPROVED: "run.approved", REJECTED: "run.rejected", WITHDRAWN: "run.approval_withdrawn"}
MAKING = ("run.start", "run.resume")
DELIVER = "deliver"


class NameUnusable(EastboundError):
    zh = "决定人姓名为空、过长或含控制字符；用 --as 给出"
    en = "the name of who decides is empty, too long or holds control characters; give it with --as"


class RunNotSealed(EastboundError):
    zh = "运行 {run} 没有封包（状态 {status}），不能批准；只有封好的报送包可以批准"
    en = "run {run} has no sealed package (it is {status}); only sealed packages can be decided on"


class RunSuperseded(EastboundError):
    zh = "运行 {run} 已被同一报送期后来封包的 {latest} 取代；只能对后者作决定：eastbound approve {latest}"
    en = "run {run} was superseded by {latest}, sealed later for the same period; only that one can be decided on: eastbound approve {latest}"


class PartStale(EastboundError):
    zh = "运行 {run} 是 {whole} 的一部分，而后者已被 {latest} 取代；请重新拆分：eastbound split {latest} --jurisdiction {jurisdiction}"
    en = "run {run} is a part of {whole}, which was superseded by {latest}; split that one: eastbound split {latest} --jurisdiction {jurisdiction}"


class PackageChanged(EastboundError):
    zh = "运行 {run} 的报送包已不是封包时的原样（{what_zh}）。请重新执行 eastbound run，再批准新的报送包"
    en = "the package of run {run} is not what was sealed ({what_en}). Start a new eastbound run and approve the new package"


class MakerUnknown(EastboundError):
    zh = "台账中没有记录运行 {run} 由谁发起，无从确认复核人是另一人；请重新执行 eastbound run"
    en = "the ledger does not say who started run {run}, so the checker cannot be shown to be someone else; start a new eastbound run"


class SamePerson(EastboundError):
    zh = "运行 {run} 由 {maker} 发起或继续，须由另一人决定，{checker} 不可以；由另一人登录执行，或用 --as 给出其姓名"
    en = ("run {run} was started or resumed by {maker}; someone else has to decide, not {checker}. Let another person do it, or name the "
          "other person with --as")


class DecidedMeanwhile(EastboundError):
    zh = "运行 {run} 刚刚已由 {checker} 决定：{decision_zh}。请先查看：eastbound approvals {run}"
    en = "run {run} was {decision_en} by {checker} just now. Look at it first: eastbound approvals {run}"


class DecidedAlready(EastboundError):
    zh = "运行 {run} 已由 {checker} 决定：{decision_zh}（{at}）。{hint_zh}"
    en = "run {run} was {decision_en} by {checker} at {at}. {hint_en}"


class NothingToWithdraw(EastboundError):
    zh = "运行 {run} 目前没有生效的批准，无可撤回"
    en = "run {run} has no approval in force, so there is nothing to withdraw"


class DeliveredAlready(EastboundError):
    zh = "运行 {run} 的报送包已经报出，不能再{decision_zh}；需要更正时请重新运行并报送新的报送包"
    en = "the package of run {run} has been delivered; it can no longer be {decision_en}. To correct it, run again and deliver the new package"


class ReasonMissing(EastboundError):
    zh = "{what_zh}须说明理由：{option} 理由"
    en = "{what_en} needs a reason: {option} TEXT"


@dataclass(frozen=True)
class Approval:
    """One decision. `number` counts the decisions on a run from 1; `event` is its link in the audit chain."""

    id: int
    run: str
    standard: str
    period: str
    kind: str
    number: int
    decision: str
    maker: str
    checker: str
    reason: str
    package_sha256: str
    at: datetime
    event: int


def person(name: str) -> str:
    """A name as it is compared: trimmed, in one width and case, single blanks."""
    return " ".join(unicodedata.normalize("NFKC", name).split()).casefold()


def clean_name(name: str) -> str:
    """A name as it is kept. Raises NameUnusable."""
    found = " ".join(unicodedata.normalize("NFKC", name).split())
    if not found or len(found) > 120 or not found.isprintable():
        raise NameUnusable()
    return found


class ApprovalBook:
    """The approvals of an open ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._engine = ledger, ledger._engine

    # -- reading

    def decisions(self, run: str | None = None, *, standard: str | None = None, period: str | None = None) -> list[Approval]:
        """Decisions from the latest to the first."""
        table = ApprovalRow.__table__
        query = select(table).where(table.c.kind == PACKAGE).order_by(table.c.id.desc())
        for name, value in (("run", run), ("standard", standard), ("period", period)):
            if value is not None:
                query = query.where(table.c[name] == value)
        with self._engine.connect() as connection:
            return [Approval(**row) for row in connection.execute(query).mappings()]

    def last(self, run: str) -> Approval | None:
        """The last decision on a run."""
        with self._engine.connect() as connection:
            return _last(connection, self._ledger._get_run(connection, run))

    def makers(self, run: str) -> tuple[str, ...]:
        """Who started the run, then who resumed it."""
        with self._engine.connect() as connection:
            return _makers(connection, run)

    def latest_sealed(self, run: Run) -> str | None:
        """Id of the run of the same company, standard, period and jurisdiction that was sealed last."""
        with self._engine.connect() as connection:
            return _latest_sealed(connection, run)

    def require_whole(self, run: Run) -> None:
        """Raise PartStale where a part was taken from a package that has been superseded."""
        with self._engine.connect() as connection:
            self._refuse_stale_part(connection, run)

    def delivered(self, run: Run) -> bool:
        """Whether the package has left the house."""
        with self._engine.connect() as connection:
            return _delivered(connection, run)

    def event_of(self, approval: Approval) -> AuditEvent | None:
        """The link of the audit chain that tells of this very decision; None where there is none."""
        found = self._ledger.events(from_seq=approval.event, limit=1)
        return found[0] if found and _tells(found[0], approval) else None

    # -- deciding

    def check(self, run: str, decision: str, *, checker: str, package_sha256: str | None, after: int, reason: str = "") -> None:
        """Raise what `decide` would refuse now."""
        with self._engine.connect() as connection:
            self._refuse(connection, run, decision, checker, package_sha256, after, reason)

    def decide(self, run: str, decision: str, *, checker: str, login: str, package_sha256: str | None, after: int, reason: str = "") -> Approval:
        """Note a decision of `checker`, made known through the account `login`.

        `package_sha256` and `after` say what the decision was made on: the package, and the number of the last decision that
        was seen (0: none). Where either has moved on, nobody's decision is overruled unseen. Raises NameUnusable, RunUnknown,
        RunNotSealed, PackageChanged, DecidedMeanwhile, MakerUnknown, SamePerson, DecidedAlready, NothingToWithdraw,
        DeliveredAlready, RunSuperseded, ReasonMissing.
        """
        with writing(self._engine) as connection:
            found, maker = self._refuse(connection, run, decision, checker, package_sha256, after, reason)
            table = ApprovalRow.__table__
            number = (connection.execute(select(sa.func.max(table.c.id))).scalar() or 0) + 1
            values: dict[str, Any] = {
                "id": number, "run": run, "standard": found.standard, "period": found.period, "kind": PACKAGE, "number": after + 1, "decision": decision,
                "maker": maker, "checker": clean_name(checker), "reason": reason.strip(), "package_sha256": package_sha256, "at": datetime.now(UTC)}
            event = append_link(connection, login, ACTIONS[decision], run, _detail(values))
            connection.execute(sa.insert(ApprovalRow), {**values, "event": event})
            return Approval(**values, event=event)

    def _refuse(self, connection: Connection, run_id: str, decision: str, checker: str, package_sha256: str | None, after: int, reason: str) -> tuple[Run, str]:
        """Raise what stands against a decision; returns the run and its maker."""
        if decision not in DECISIONS:
            raise ValueError(f"{decision!r} is not one of {', '.join(DECISIONS)}")
        run, name = self._ledger._get_run(connection, run_id), clean_name(checker)
        decision_zh, decision_en = DECISION_NAMES[decision]
        if run.status != SEALED or not run.package_sha256:
            raise RunNotSealed(run=run.id, status=run.status)
        if package_sha256 != run.package_sha256:
            raise PackageChanged(run=run.id, what_zh="校验值与台账不同", what_en="its hash is not the one in the ledger")
        last = _last(connection, run)
        if (last.number if last else 0) != after:
            raise DecidedMeanwhile(run=run.id, **_told(last))
        makers = _makers(connection, run.id)
        if not makers:
            raise MakerUnknown(run=run.id)
        same = next((maker for maker in makers if person(maker) == person(name)), None)
        if same is not None:
            raise SamePerson(run=run.id, maker=same, checker=name)
        # What was decided on a package that was sealed before says nothing about this one.
        standing = last.decision if last and last.package_sha256 == run.package_sha256 else None
        if decision == WITHDRAWN and standing != APPROVED:
            raise NothingToWithdraw(run=run.id)
        if decision != WITHDRAWN and standing in (APPROVED, decision):
            again = standing == APPROVED
            raise DecidedAlready(run=run.id, **_told(last), at=f"{last.at:%Y-%m-%d %H:%M:%SZ}",  # type: ignore[union-attr]
                                 hint_zh="要改变决定，先撤回：--withdraw --reason 理由" if again else "更正后重新执行 eastbound run，或由复核人说明理由后批准：--note 理由",
                                 hint_en="To change that, withdraw it first: --withdraw --reason TEXT" if again
                                 else "Mend it and start a new eastbound run, or approve it with a reason: --note TEXT")
        if _delivered(connection, run):
            raise DeliveredAlready(run=run.id, decision_zh=decision_zh, decision_en=decision_en)
        latest = _latest_sealed(connection, run)
        if decision != WITHDRAWN and latest != run.id:
            raise RunSuperseded(run=run.id, latest=latest)
        if decision != WITHDRAWN:
            self._refuse_stale_part(connection, run)
        if not reason.strip():
            if decision == REJECTED:
                raise ReasonMissing(what_zh="退回", what_en="rejecting", option="--reason")
            if decision == WITHDRAWN:
                raise ReasonMissing(what_zh="撤回批准", what_en="withdrawing an approval", option="--reason")
            if standing == REJECTED:
                raise ReasonMissing(what_zh=f"批准已被 {last.checker} 退回的报送包", what_en=f"approving what {last.checker} rejected", option="--note")  # type: ignore[union-attr]
        return run, makers[0]

    def _refuse_stale_part(self, connection: Connection, run: Run) -> None:
        """A part of a package that has been superseded is not what the period's submission consists of."""
        latest = _latest_sealed(connection, self._ledger._get_run(connection, run.part_of)) if run.part_of else None
        if latest != run.part_of:
            raise PartStale(run=run.id, whole=run.part_of, latest=latest, jurisdiction=run.jurisdiction)


def _last(connection: Connection, run: Run) -> Approval | None:
    table = ApprovalRow.__table__
    row = connection.execute(select(table).where(table.c.run == run.id, table.c.kind == PACKAGE).order_by(table.c.number.desc()).limit(1)).mappings().first()
    return Approval(**row) if row else None


def _makers(connection: Connection, run: str) -> tuple[str, ...]:
    """Who started and resumed a run; of a part also who made the package that it is a part of."""
    whole = (connection.execute(select(RunRow.options).where(RunRow.id == run)).scalar() or {}).get("part_of")
    made = case((AuditEventRow.subject == run, 0), else_=1)
    query = select(AuditEventRow.actor).where(AuditEventRow.subject.in_([run, whole] if whole else [run]), AuditEventRow.action.in_(MAKING)).order_by(made, AuditEventRow.seq)
    return tuple(dict.fromkeys(connection.execute(query).scalars()))


def _latest_sealed(connection: Connection, run: Run) -> str | None:
    """A jurisdiction's part is a submission of its own: it takes the place of that jurisdiction's earlier part, never of the national package."""
    table = RunRow.__table__
    rows = connection.execute(select(table.c.id, table.c.options).where(
        table.c.company == run.company, table.c.standard == run.standard, table.c.period == run.period, table.c.status == SEALED)
        .order_by(table.c.finished_at.desc(), table.c.started_at.desc(), table.c.id.desc()))
    return next((id for id, options in rows if _lane(options) == _lane(run.options)), None)


def _lane(options: Mapping[str, Any]) -> str | None:
    return str(options["jurisdiction"]) if options.get("part_of") else None


def _delivered(connection: Connection, run: Run) -> bool:
    stages, batches = StageCountRow.__table__, RegistryBatchRow.__table__
    noted = connection.execute(select(stages.c.run).where(stages.c.run == run.id, stages.c.stage == DELIVER).limit(1)).first()
    # A registry day's zip lies in the package of its run; with a number to ask by, the platform has it.
    sent = run.package is not None and connection.execute(select(batches.c.batch_no).where(
        batches.c.company == run.company, batches.c.path.startswith(f"{run.package}/", autoescape=True), batches.c.query_no.is_not(None)).limit(1)).first()
    return bool(noted or sent)


def _detail(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit chain keeps: the whole decision, its reason by hash, for reasons are written by people."""
    kept = {name: values[name] for name in ("id", "kind", "number", "decision", "maker", "checker", "package_sha256")}
    return {**kept, "reason_sha256": hashlib.sha256(values["reason"].encode("utf-8", "surrogatepass")).hexdigest()}


def _tells(event: AuditEvent, approval: Approval) -> bool:
    return (event.subject, event.action, dict(event.detail)) == (approval.run, ACTIONS[approval.decision], _detail(vars(approval)))


def _told(last: Approval | None) -> dict[str, str]:
    if last is None:
        return {"checker": "?", "decision_zh": "?", "decision_en": "?"}
    decision_zh, decision_en = DECISION_NAMES[last.decision]
    return {"checker": last.checker, "decision_zh": decision_zh, "decision_en": decision_en}
