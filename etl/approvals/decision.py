"""Deciding on a package, and asking whether it was approved: what the workspace and the files add to the ledger's rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.errors import EastboundError
from etl.ledger.approvals import APPROVED, DECISION_NAMES, WITHDRAWN, Approval, ApprovalBook, PackageChanged, RunNotSealed, RunSuperseded, clean_name, person
from etl.ledger.definition import SEALED

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run
    from etl.workspace import Workspace

LONGEST_REASON = 1000
_ID_NUMBER = re.compile(r"(?<![0-9])[0-9]{17}[0-9Xx](?![0-9])")
_MOBILE = re.compile(r"(?<![0-9])1[3-9][0-9]{9}(?![0-9])")


class NotAnApprover(EastboundError):
    zh = "{name} 不在 workspace.yaml 的 approvers 中；可以批准的有：{approvers}"
    en = "{name} is not among the approvers of workspace.yaml, who are: {approvers}"


class ReasonTooLong(EastboundError):
    zh = "理由过长（{length} 字），最多 {most} 字"
    en = "the reason is too long ({length} characters); the most is {most}"


class ReasonPersonal(EastboundError):
    zh = "理由中有{what_zh}。台账不存个人信息：请改用规则编号、表代码或保单号说明"
    en = "the reason holds {what_en}. The ledger keeps no personal data: name rules, tables or policy numbers instead"


class NothingSealed(EastboundError):
    zh = "{standard} {period} 没有已封包的运行（{state_zh}）；先执行 eastbound run --standard {standard} --period {period}"
    en = "{standard} {period} has no sealed run ({state_en}); first: eastbound run --standard {standard} --period {period}"


class NotApproved(EastboundError):
    zh = "运行 {run} 的报送包（{sha256}…）{state_zh}。可由{who_zh}批准：eastbound approve {run}"
    en = "the package of run {run} ({sha256}…) {state_en}. It may be approved by {who_en}: eastbound approve {run}"
    exit_code = 1


class ApprovalUnproven(EastboundError):
    zh = "运行 {run} 的批准记录与台账的审计链不符，不予采信；请由审计人员核查台账，并由复核人撤回后重新批准"
    en = ("the approval of run {run} does not agree with the ledger's audit chain and is not relied on. Have the ledger audited, then "
          "withdraw the approval and approve anew")
    exit_code = 3


def decide(workspace: Workspace, ledger: Ledger, run_id: str, decision: str, *, checker: str, login: str, reason: str = "",
           after: int | None = None) -> Approval:
    """Approve, reject, or withdraw the approval of the package of a run.

    `checker` is the person who decides, `login` the account through which it is made known, `after` the number of the last
    decision that the person was shown (None: the one that stands now). The bytes of the package are compared with its
    manifest and the ledger first. Raises NotAnApprover, ReasonTooLong, ReasonPersonal, PackageChanged and what
    `etl.ledger.approvals.ApprovalBook.decide` raises.
    """
    book, run = ApprovalBook(ledger), ledger.run(run_id)
    name, text = allowed_name(workspace, checker), plain_reason(reason)
    if after is None:
        last = book.last(run_id)
        after = last.number if last else 0
    book.check(run_id, decision, checker=name, package_sha256=run.package_sha256, after=after, reason=text)
    if decision != WITHDRAWN:
        check_package(workspace, run)
    return book.decide(run_id, decision, checker=name, login=login, package_sha256=run.package_sha256, after=after, reason=text)


def approval_of(ledger: Ledger, run: Run | str) -> Approval | None:
    """The approval in force of the package that a run sealed; None where it waits, was rejected or withdrawn. Raises RunUnknown."""
    found = run if not isinstance(run, str) else ledger.run(run)
    last = ApprovalBook(ledger).last(found.id)
    return last if last and last.decision == APPROVED and last.package_sha256 == found.package_sha256 else None


def require_approval(workspace: Workspace, ledger: Ledger, run_id: str) -> Approval:
    """The approval under which a package may leave the house.

    The run must be the one sealed last for its period (a part: for its jurisdiction, and of the national package that is), its package the one that was approved, byte for byte, and the approval
    must be borne out by the audit chain. Raises RunNotSealed, RunSuperseded, NotApproved, ApprovalUnproven, PackageChanged.
    """
    book, run = ApprovalBook(ledger), ledger.run(run_id)
    if run.status != SEALED:
        raise RunNotSealed(run=run.id, status=run.status)
    latest = book.latest_sealed(run)
    if latest != run.id:
        raise RunSuperseded(run=run.id, latest=latest)
    book.require_whole(run)
    found = approval_of(ledger, run)
    if found is None:
        state_zh, state_en = standing(book.last(run.id), run)
        who_zh, who_en = who_may(workspace, book.makers(run.id))
        raise NotApproved(run=run.id, sha256=(run.package_sha256 or "")[:16], state_zh=state_zh, state_en=state_en, who_zh=who_zh, who_en=who_en)
    if book.event_of(found) is None or not ledger.verify_chain().ok:
        raise ApprovalUnproven(run=run.id)
    check_package(workspace, run)
    return found


def allowed_name(workspace: Workspace, name: str) -> str:
    """The name under which a decision is kept: as the settings spell it, where they list the approvers. Raises NotAnApprover, NameUnusable."""
    found = clean_name(name)
    if not workspace.approvers:
        return found
    for listed in workspace.approvers:
        if person(listed) == person(found):
            return clean_name(listed)
    raise NotAnApprover(name=found, approvers=", ".join(workspace.approvers))


def plain_reason(reason: str) -> str:
    """A reason as it is kept: on one line, without what is surely personal. Raises ReasonTooLong, ReasonPersonal."""
    from etl.expressions.reference import is_id_card

    text = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
    if len(text) > LONGEST_REASON:
        raise ReasonTooLong(length=len(text), most=LONGEST_REASON)
    if any(is_id_card(match.upper()) for match in _ID_NUMBER.findall(text)):
        raise ReasonPersonal(what_zh="身份证号码", what_en="an ID card number")
    if _MOBILE.search(text):
        raise ReasonPersonal(what_zh="手机号码", what_en="a mobile phone number")
    return text


def check_package(workspace: Workspace, run: Run) -> None:
    """Compare the package on disk with its manifest and the ledger, byte by byte. Raises PackageChanged."""
    from etl.submission.package import read_manifest, verify_package

    folder = workspace.root / str(run.package)
    problems = verify_package(folder)
    if problems:
        first = problems[0]
        more_zh, more_en = (f"等 {len(problems)} 处", f" and {len(problems) - 1} more") if len(problems) > 1 else ("", "")
        raise PackageChanged(run=run.id, what_zh=f"{first.file}：{first.zh}{more_zh}", what_en=f"{first.file}: {first.en}{more_en}")
    if read_manifest(folder).get("self") != run.package_sha256:
        raise PackageChanged(run=run.id, what_zh="清单的校验值与台账不同", what_en="the hash of its manifest is not the one in the ledger")


def sealed_run(workspace: Workspace, ledger: Ledger, standard: str, period: str) -> Run:
    """The run of a standard and period that was sealed last. Raises NothingSealed."""
    runs = [run for run in ledger.runs(standard, period) if run.company == workspace.company]
    sealed = next((run for run in runs if run.status == SEALED), None)
    if sealed is None:
        last = runs[0] if runs else None
        raise NothingSealed(standard=standard, period=period, state_zh=f"最近的运行 {last.id} 状态为 {last.status}" if last else "没有运行过",
                            state_en=f"the last run, {last.id}, is {last.status}" if last else "it was never run")
    latest = ApprovalBook(ledger).latest_sealed(sealed)
    return sealed if latest is None else ledger.run(latest)


def standing(last: Approval | None, run: Run) -> tuple[str, str]:
    """Where the package of a run stands after its last decision, in Chinese and English."""
    if last is None or last.package_sha256 != run.package_sha256:
        return "尚未批准", "is not approved yet"
    zh, en = DECISION_NAMES[last.decision]
    if last.decision == WITHDRAWN:
        return f"的批准已由 {last.checker} 撤回", f"had its approval withdrawn by {last.checker}"
    return f"已由 {last.checker} {zh}", f"was {en} by {last.checker}"


def who_may(workspace: Workspace, makers: tuple[str, ...]) -> tuple[str, str]:
    """Who may decide on what `makers` made, in Chinese and English."""
    taken = {person(maker) for maker in makers}
    if workspace.approvers:
        names = [name for name in workspace.approvers if person(name) not in taken]
        return "、".join(names) or "（approvers 中没有旁人，请增补）", ", ".join(names) or "nobody as yet: approvers holds no one else"
    return f" {'、'.join(makers)} 以外的任何人" if makers else "任何人", f"anyone but {' and '.join(makers)}" if makers else "anyone"
