"""The daily cycle: send day -1, poll, have error rows corrected and resend them, reconcile day -2, send detail on mismatch.

Before each step the ledger says what was done; after it, the ledger says so in one transaction. A step that was killed in
between is done again, and each can be: a zip replaces itself on the file channel, a notification carries the same batch and
serial number, a question changes nothing. A transaction number is claimed in the ledger before it leaves the house, and can
be claimed a second time only after the platform has sent it back.

Assumption about the platform (I): a notification repeated with the same batch and MD5 gets the answer it got before.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from etl.errors import EastboundError
from etl.ledger.registry import ACCEPTED, REJECTED, RegistryBatch, RegistryDay, RegistryLedger
from etl.submission.registry.contents import count_figures, file_md5, inspect_batch, read_error_file, theirs_of
from etl.submission.registry.definition import QUERIES, UPLOADS, DayReport, DaySource, ErrorRow, Meaning, ReplyCode, RequestType, State, TableLayout
from etl.submission.registry.errors import (
    BatchUnfit,
    LoginRefused,
    NotReconciled,
    PlatformUnreachable,
    PlatformUntrusted,
    ReplyMisplaced,
    RequestRefused,
    StillWorking,
)
from etl.submission.registry.messages import Check, Head, Kpi, Query, Reply, Request, Upload
from etl.submission.registry.settings import Polling
from etl.submission.registry.transport import Channel

if TYPE_CHECKING:
    from etl.submission.zip_package import DayBatch

# Detail sent as often as this did not help: from here on people look at it, and the cycle only compares again.
MAX_DETAILS = 2
# Corrections of one day that are sent in one go, should each come back again.
MAX_CORRECTIONS = 5
_CHINA = ZoneInfo("Asia/Shanghai")
_JUDGED = (State.NOTIFIED, State.CHECKING, State.RECONCILED, State.DIFFERS, State.DETAIL_WAITING, State.DETAIL, State.DONE)


class Cycle:
    """The daily work for one company.

    `vault` is the folder for error files; the ledger names zips by their place below `root` (the workspace). `observe` hears of
    every step before and after, `note` of every act.
    """

    def __init__(self, books: RegistryLedger, channel: Channel, source: DaySource, layouts: Sequence[TableLayout], vault: Path, *,
                 root: Path | None = None, polling: Polling | None = None, sleep: Callable[[float], None] = time.sleep, observe: Callable[[str], None] | None = None,
                 note: Callable[[str, str, Mapping[str, Any]], None] | None = None) -> None:
        self.books, self.channel, self.source, self.layouts, self.vault, self.polling = books, channel, source, tuple(layouts), Path(vault), polling or Polling()
        self._root = Path(root).absolute() if root else Path("/")
        self._sleep, self._observe, self._note = sleep, observe or (lambda point: None), note or (lambda action, subject, detail: None)

    # -- the work of a day

    def work(self, today: date) -> list[DayReport]:
        """The work of `today`: every day up to yesterday is sent and settled, every day up to the one before is reconciled.

        Days missed since the last one are caught up. A day that is stuck does not hold up the others, unless the platform
        cannot be reached at all. Returns a report per day that was not done before.
        """
        yesterday = today - timedelta(days=1)
        days = self.open_days(today)
        reports: dict[date, DayReport] = {}
        try:
            for day in days:
                reports[day] = self._guarded(day, self.settle)
            for day, report in sorted(reports.items()):
                if day < yesterday and report.problem is None:
                    reports[day] = self._guarded(day, self.reconcile)
        except (PlatformUnreachable, PlatformUntrusted, LoginRefused) as error:
            return [DayReport(day, self.state(day), error) for day in days]
        return [reports[day] for day in sorted(reports)]

    def open_days(self, today: date) -> list[date]:
        """The days that the work of `today` is about: all up to yesterday that are begun and not done, and those missed since the last one."""
        yesterday = today - timedelta(days=1)
        known = {found.day: found.state for found in self.books.days()}
        begun = {day for day, state in known.items() if state != State.DONE and day <= yesterday}
        first = max(known) + timedelta(days=1) if known else yesterday
        missed = {first + timedelta(days=n) for n in range((yesterday - first).days + 1)}
        # A day before all that were ever sent is taken up when its own work is asked for.
        return sorted(begun | missed | ({yesterday} - set(known)))

    def settle(self, day: date) -> None:
        """Bring a day to the point where no error rows are left; leaves it waiting (2E) where nothing corrected is at hand.

        What comes back again and again is left for the next day, and for people to look at.
        """
        corrections = 0
        while not self.settled(day):
            state = self.state(day)
            if state == State.MADE:
                self.send(day)
            elif state == State.WAITING:
                self.ask(day)
            elif not self.books.batches(day):
                self.make(day)
            elif corrections < MAX_CORRECTIONS and self.correct(day):
                corrections += 1
            else:
                return

    # -- the steps of settling, each of them good to call in any state: it does what is its own to do, or nothing

    def make(self, day: date) -> None:
        """Take up the day and its increment, unless that was done before. Walks the road; says nothing to the platform."""
        if self.state(day) == "":
            self._step("open day", self.books.open_day, day, State.EXTRACTED)
        if self.state(day) not in (State.EXTRACTED, State.ERROR) or self.books.batches(day):
            return
        batch = self.source.increment(day)
        if batch is None:
            self._step("empty day", self.books.set_state, day, State.NOTIFIED, was=self.state(day))
        else:
            self._take_up_or_note(day, batch, ("INC", "HIS"))

    def send(self, day: date) -> None:
        """Upload the day's zip that may go out, and notify the platform of it."""
        if self.state(day) == State.MADE:
            self._send(self._last(day))

    def ask(self, day: date) -> None:
        """Ask for the judgement of the zip that was sent, and note it. Raises StillWorking after the polling limit."""
        if self.state(day) == State.WAITING:
            self._judge(self._last(day))

    def correct(self, day: date) -> bool:
        """Take up the correction of what came back. Walks the road. False: nothing came back, or nothing is corrected yet."""
        if self.state(day) != State.ERROR or not self.books.batches(day):
            return False
        rejected = set(self.books.transactions(day, REJECTED))
        batch = self.source.correct(day, self.error_rows(day))
        if batch is not None:
            self._take_up_or_note(day, batch, ("FAI",), rejected)
        return batch is not None

    def answered(self, day: date) -> bool:
        """Whether the platform has what the day waits for: one question at most, and nothing is noted of the answer.

        True also where the day waits for nothing.
        """
        state = self.state(day)
        if state in (State.WAITING, State.DETAIL_WAITING):
            batch = self._last(day)
            kind, query_no, subject = QUERIES[batch.kind], batch.query_no, batch.batch_no
        elif state == State.CHECKING:
            kind, query_no, subject = RequestType.CHECK_QUERY, self.books.day(day).query_no, self._check_name(self.books.day(day))
        else:
            return True
        if query_no is None:
            return True
        reply = self._step("poll", self.channel.ask, Request(self._head(kind, uuid.uuid4().hex), Query(query_no)))
        return self._meaning(reply, kind, subject) != Meaning.WAIT

    def late(self, day: date) -> None:
        """Send what was held back in the house when the day was sent, and is in order now: a further increment of that day.

        A day that was reconciled already is reconciled anew by the next work. Does nothing while error rows are open.
        """
        self.settle(day)
        found = self.books.day(day)
        if found is None or found.state not in (State.NOTIFIED, State.RECONCILED, State.DONE):
            return
        batch = self.source.late(day, set(self.books.transactions(day)))
        if batch is not None:
            self._observe("made zip")
            self._take_up(day, batch, ("INC",))
            self.settle(day)

    def reconcile(self, day: date) -> None:
        """Compare COUNT and SUM with the platform once no error rows are left, and send the detail where they differ.

        Raises NotReconciled where the detail did not help.
        """
        compared = False
        while True:
            found = self.books.day(day)
            if found is None or found.state in (State.EXTRACTED, State.MADE, State.ERROR, State.WAITING, State.DONE):
                return
            if found.state in (State.NOTIFIED, State.DETAIL):
                self._begin_check(day)
            elif found.state == State.CHECKING:
                self._check(found)
                compared = True
            elif found.state == State.RECONCILED:
                self._step("close day", self.books.set_state, day, State.DONE, was=State.RECONCILED)
                self._note("registry.done", day.isoformat(), self.books.counts(day))
            elif found.state == State.DETAIL_WAITING:
                self._judge(self._last(day))
            elif self._detail_helps(day):
                self._detail(day)
            elif not compared:
                # Somebody may have put the figures right since the last time.
                self._begin_check(day)
            else:
                raise NotReconciled(day=day.isoformat(), count=sum(1 for f in self.books.figures(day, found.round) if f.differs))

    # -- steps: sending

    def _take_up_or_note(self, day: date, batch: DayBatch, kinds: tuple[str, ...], allowed: set[str] | None = None) -> None:
        """Take up a zip; an unfit one puts the day where people look."""
        self._observe("made zip")
        try:
            self._take_up(day, batch, kinds, allowed)
        except BatchUnfit:
            self.books.set_state(day, State.ERROR, was=self.state(day))
            raise

    def _take_up(self, day: date, batch: DayBatch, kinds: tuple[str, ...], allowed: set[str] | None = None) -> None:
        """Inspect a zip and claim its transactions. Raises BatchUnfit, TransactionsSentBefore."""
        transactions = inspect_batch(batch, self.books.company, self.layouts)
        if batch.kind not in kinds or batch.trans_date != day:
            raise BatchUnfit(batch=batch.batch_no, problem_zh="类别或日期不符", problem_en="its kind or day is another")
        if allowed is not None and not set(transactions) <= allowed:
            raise BatchUnfit(batch=batch.batch_no, problem_zh="含未被退回的交易", problem_en="it holds transactions that did not come back")
        self._step("take up zip", self.books.add_batch, day, batch.batch_no, batch.kind, path=self._place(batch), md5=batch.md5,
                   rows=sum(batch.tables.values()), transactions=transactions, state=State.MADE)

    def _send(self, batch: RegistryBatch) -> None:
        path = self._root / batch.path
        if not path.is_file() or file_md5(path) != batch.md5:
            raise BatchUnfit(batch=batch.batch_no, problem_zh="文件丢失或已被改动", problem_en="the file is gone or was changed")
        self._step("upload", self.channel.put, path)
        body = Upload(batch.batch_no, batch.day, batch.transactions, path.name, batch.md5)
        reply = self._step("notify", self.channel.ask, Request(self._head(UPLOADS[batch.kind], batch.batch_no), body))
        if self._meaning(reply, UPLOADS[batch.kind], batch.batch_no) not in (Meaning.GOOD, Meaning.WAIT) or not reply.query_no:
            raise ReplyMisplaced(kind=UPLOADS[batch.kind], status=reply.status, subject=batch.batch_no)
        waiting = State.DETAIL_WAITING if batch.kind == "DET" else State.WAITING
        self._step("record notification", self.books.notified, batch, reply.query_no, waiting)
        self._note("registry.sent", batch.batch_no, {"day": batch.day.isoformat(), "kind": batch.kind, "transactions": batch.transactions,
                                                     "rows": batch.rows, "md5": batch.md5})

    def _judge(self, batch: RegistryBatch) -> None:
        kind, detail = QUERIES[batch.kind], batch.kind == "DET"
        reply = self._poll(kind, batch.query_no or "", batch.batch_no)
        meaning = self._meaning(reply, kind, batch.batch_no)
        rows: list[ErrorRow] = []
        rejected: set[str] = set()
        if meaning in (Meaning.ALL_FAILED, Meaning.PART_FAILED):
            mine = self._carried(batch)
            local = self._error_file(batch.batch_no)
            self._step("fetch errors", self.channel.get, reply.error_path, local)
            rows = read_error_file(local, batch.batch_no, self.books.company, mine)
            rejected = mine if meaning == Meaning.ALL_FAILED else {row.transaction_no for row in rows}
        elif meaning != Meaning.GOOD:
            raise ReplyMisplaced(kind=kind, status=reply.status, subject=batch.batch_no)
        if detail:
            after = State.DIFFERS if rejected else State.DETAIL
        else:
            # Transactions of earlier zips may still wait for their correction.
            standing = set(self.books.transactions(batch.day, REJECTED)) - self._carried(batch)
            after = State.ERROR if rejected or standing else State.NOTIFIED
        self._step("record judgement", self.books.judged, batch, reply.status, [(r.table, r.transaction_no, r.code) for r in rows], rejected,
                   state=State.DETAIL if detail else State.NOTIFIED, day_state=after, detail=detail)
        self._note("registry.judged", batch.batch_no, {"status": reply.status, "rejected": len(rejected), "errors": len(rows)})

    def error_rows(self, day: date) -> list[ErrorRow]:
        """The error rows of every transaction that stands rejected, as the platform gave them last."""
        rejected, everything = self.books.transactions(day, REJECTED), set(self.books.transactions(day))
        rows: list[ErrorRow] = []
        for batch in self.books.batches(day):
            if batch.kind == "DET" or batch.batch_no not in set(rejected.values()):
                continue
            mine = {number for number, carried in rejected.items() if carried == batch.batch_no}
            found = read_error_file(self._error_file(batch.batch_no), batch.batch_no, self.books.company, everything)
            rows += [row for row in found if row.transaction_no in mine]
            # Where everything failed, the file need not name every transaction.
            rows += [ErrorRow(self.books.company, "", batch.batch_no, number, "", "") for number in sorted(mine - {row.transaction_no for row in rows})]
        return rows

    # -- steps: reconciling

    def _begin_check(self, day: date) -> None:
        self._step("begin check", self.books.checking, day, count_figures(self._accepted_zips(day), self.layouts), State.CHECKING)

    def _check(self, found: RegistryDay) -> None:
        day, subject = found.day, self._check_name(found)
        ours = self.books.figures(day, found.round)
        if found.query_no is None:
            body = Check(day, tuple(Kpi(f.table, f.field, f.check, f.ours) for f in ours))  # type: ignore[arg-type]
            reply = self._step("ask check", self.channel.ask, Request(self._head(RequestType.CHECK, subject), body))
            meaning = self._meaning(reply, RequestType.CHECK, subject)
            if reply.query_no and (meaning == Meaning.WAIT or (meaning == Meaning.GOOD and not reply.kpis)):
                self._step("record check", self.books.asked, day, reply.query_no)
                return
        else:
            reply = self._poll(RequestType.CHECK_QUERY, found.query_no, subject)
            meaning = self._meaning(reply, RequestType.CHECK_QUERY, subject)
        if meaning not in (Meaning.GOOD, Meaning.DIFFERS):
            raise ReplyMisplaced(kind=RequestType.CHECK_QUERY, status=reply.status, subject=subject)
        theirs = theirs_of(reply.kpis)
        # The platform's word that all is well does not stand against its own figures.
        differing = sum(1 for f in ours if theirs.get((f.table, f.field, f.check), f.ours) != f.ours)
        state = State.RECONCILED if meaning == Meaning.GOOD and not differing else State.DIFFERS
        self._step("record figures", self.books.checked, day, found.round, theirs, state)
        self._note("registry.checked", day.isoformat(), {"round": found.round, "figures": len(ours), "differing": differing, "status": reply.status})

    def _detail_helps(self, day: date) -> bool:
        details = [b for b in self.books.batches(day) if b.kind == "DET"]
        unsent = bool(details) and details[-1].state == State.MADE
        return unsent or (len(details) < MAX_DETAILS and bool(self.books.transactions(day, ACCEPTED)))

    def _detail(self, day: date) -> None:
        last = self._last(day)
        if last.kind == "DET" and last.state == State.MADE:
            self._send(last)
            return
        accepted = self.books.transactions(day, ACCEPTED)
        batch = self.source.detail(day, self._accepted_zips(day))
        self._observe("made zip")
        transactions = inspect_batch(batch, self.books.company, self.layouts)
        if batch.kind != "DET" or batch.trans_date != day or set(transactions) != set(accepted):
            raise BatchUnfit(batch=batch.batch_no, problem_zh="明细应恰含当日已接收的全部交易", problem_en="a detail holds exactly the day's accepted transactions")
        self._step("take up detail", self.books.add_batch, day, batch.batch_no, batch.kind, path=self._place(batch), md5=batch.md5,
                   rows=sum(batch.tables.values()), transactions=transactions, state=State.MADE, day_state=State.DIFFERS, replacing=True)

    # -- tools

    def state(self, day: date) -> str:
        """The day's flag; empty where it was never taken up."""
        found = self.books.day(day)
        return found.state if found else ""

    def settled(self, day: date) -> bool:
        """Whether the day was judged and no error rows are left."""
        return self.state(day) in _JUDGED

    def _check_name(self, found: RegistryDay) -> str:
        return f"{self.books.company}{found.day:%Y%m%d}-{found.round}"

    def _guarded(self, day: date, work: Callable[[date], None]) -> DayReport:
        problem = None
        try:
            work(day)
        except (PlatformUnreachable, PlatformUntrusted, LoginRefused):
            raise
        except EastboundError as error:
            problem = error
        return DayReport(day, self.state(day), problem)

    def _place(self, batch: DayBatch) -> str:
        path = Path(batch.zip_path).absolute()
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else str(path)

    def _accepted_zips(self, day: date) -> list[tuple[Path, set[str]]]:
        """The zips of a day, each with the transactions that the platform accepted out of it."""
        accepted = self.books.transactions(day, ACCEPTED)
        zips = [(self._root / b.path, {n for n, carried in accepted.items() if carried == b.batch_no}) for b in self.books.batches(day) if b.kind != "DET"]
        return [(path, numbers) for path, numbers in zips if numbers]

    def _last(self, day: date) -> RegistryBatch:
        return self.books.batches(day)[-1]

    def _carried(self, batch: RegistryBatch) -> set[str]:
        """Transactions whose last carrier is this zip; for a detail, all of the day's accepted ones."""
        if batch.kind == "DET":
            return set(self.books.transactions(batch.day, ACCEPTED))
        return {number for number, carried in self.books.transactions(batch.day).items() if carried == batch.batch_no}

    def _error_file(self, batch_no: str) -> Path:
        return self.vault / f"{batch_no}.errors.zip"

    def _head(self, kind: RequestType, serial: str) -> Head:
        return Head(kind, self.books.company, serial, datetime.now(_CHINA).replace(tzinfo=None, microsecond=0))

    def _meaning(self, reply: Reply, kind: RequestType, subject: str) -> Meaning:
        try:
            return ReplyCode(reply.status).meaning
        except ValueError:
            raise RequestRefused(kind=str(kind), status=reply.status, subject=subject) from None

    def _poll(self, kind: RequestType, query_no: str, subject: str) -> Reply:
        """Ask until the platform has an answer. Raises StillWorking after the limit."""
        waited, pause = 0.0, self.polling.first
        while True:
            reply = self._step("poll", self.channel.ask, Request(self._head(kind, uuid.uuid4().hex), Query(query_no)))
            if self._meaning(reply, kind, subject) != Meaning.WAIT:
                return reply
            if waited >= self.polling.limit:
                raise StillWorking(subject=subject, seconds=round(waited))
            self._sleep(pause)
            waited += max(pause, 0.001)
            pause = min(pause * 2, self.polling.most)

    def _step(self, name: str, work: Callable, *args: Any, **kwargs: Any) -> Any:
        self._observe(f"before {name}")
        result = work(*args, **kwargs)
        self._observe(f"after {name}")
        return result
