"""The nouns of the registry's daily cycle: states, replies, and the side that delivers a day's rows.

Codes, message types and flags: public implementations of the life registry's second phase (confidence E); what a flag
means step by step is our reading of them and is said at each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from etl.errors import EastboundError
from etl.submission.registry.errors import StillWorking

if TYPE_CHECKING:
    from etl.submission.zip_package import DayBatch

DATA_TYPE = "L"


class State(StrEnum):
    """Flag of a day and of each of its zips. The flags are documented; the exact point at which each is set is our reading."""

    EXTRACTED = "1"  # taken up; its rows are asked for
    MADE = "2"  # a file is made, inspected, and may go out
    ERROR = "2E"  # the file was unfit, or error rows came back and wait for correction
    WAITING = "4W"  # the platform was notified and has not judged yet
    NOTIFIED = "4"  # judged; no error rows left
    CHECKING = "5W"  # a reconciliation is under way
    RECONCILED = "5"  # both sides hold the same figures
    DIFFERS = "5E"  # they do not
    DETAIL_WAITING = "6W"  # the detail was sent and is not judged yet
    DETAIL = "6"  # the platform has taken the detail; figures are compared once more
    DONE = "7"


class Meaning(StrEnum):
    """What a reply means for the next step."""

    GOOD = "good"
    ALL_FAILED = "all failed"
    PART_FAILED = "part failed"
    WAIT = "wait"
    DIFFERS = "differs"


class ReplyCode(StrEnum):
    """The documented values of Status. Any other value is a refusal that no waiting can mend."""

    OK = "0000"
    ALL_FAILED = "05050100"
    PART_FAILED = "05050200"
    IN_PROGRESS = "05160000"
    IN_PROGRESS_2 = "05160314"
    CHECK_FAILED = "02100314"
    CHECK_IN_PROGRESS = "02100306"
    CHECK_IN_PROGRESS_2 = "02100100"

    @property
    def meaning(self) -> Meaning:
        return _MEANINGS[self]


_MEANINGS = {
    ReplyCode.OK: Meaning.GOOD,
    ReplyCode.ALL_FAILED: Meaning.ALL_FAILED,
    ReplyCode.PART_FAILED: Meaning.PART_FAILED,
    ReplyCode.IN_PROGRESS: Meaning.WAIT,
    ReplyCode.IN_PROGRESS_2: Meaning.WAIT,
    ReplyCode.CHECK_FAILED: Meaning.DIFFERS,
    ReplyCode.CHECK_IN_PROGRESS: Meaning.WAIT,
    ReplyCode.CHECK_IN_PROGRESS_2: Meaning.WAIT,
}


class RequestType(StrEnum):
    HIS_UPLOAD = "HisUpload"
    INC_UPLOAD = "IncUpload"
    FAI_UPLOAD = "FaiUpload"
    DETAIL_UPLOAD = "DetailUpload"
    INC_QUERY = "IncResultQuery"
    FAI_QUERY = "FaiResultQuery"
    DETAIL_QUERY = "DetailResultUpload"
    CHECK = "SummaryCheck"
    CHECK_QUERY = "SummaryCheckResultQuery"


# kind of zip -> how it is notified, how its result is asked for. No query of its own is documented for history:
# asking as for an increment is our assumption.
UPLOADS = {"HIS": RequestType.HIS_UPLOAD, "INC": RequestType.INC_UPLOAD, "FAI": RequestType.FAI_UPLOAD, "DET": RequestType.DETAIL_UPLOAD}
QUERIES = {"HIS": RequestType.INC_QUERY, "INC": RequestType.INC_QUERY, "FAI": RequestType.FAI_QUERY, "DET": RequestType.DETAIL_QUERY}


@dataclass(frozen=True)
class ErrorRow:
    """A line of the platform's error file: CompanyCode, TableName, BatchNo, TransactionNo, ErrorCode, ErrorMsg."""

    company: str
    table: str
    batch_no: str
    transaction_no: str
    code: str
    message: str


@dataclass(frozen=True)
class DayReport:
    """Where a day stands after the cycle's work on it; `problem` is what stopped it, `waiting` that only time is needed."""

    day: date
    state: str
    problem: EastboundError | None = None

    @property
    def waiting(self) -> bool:
        return isinstance(self.problem, StillWorking)


@dataclass(frozen=True)
class TableLayout:
    """A table as its text file carries it: item codes in order, and which of them are summed in the reconciliation."""

    table: str
    items: tuple[str, ...]
    sums: tuple[str, ...] = ()


class DaySource(Protocol):
    """Who makes the zips. Asked again after a crash, it may give the same zip or a new one: nothing was sent of the lost one."""

    def increment(self, day: date) -> DayBatch | None:
        """The rows of the day; None where nothing happened."""

    def correct(self, day: date, rows: Sequence[ErrorRow]) -> DayBatch | None:
        """The corrected rows of transactions that came back (all or some of them); None while there is nothing corrected yet."""

    def late(self, day: date, known: set[str]) -> DayBatch | None:
        """A further increment: the day's transactions that are in order now and not among the known; None where there is none."""

    def detail(self, day: date, zips: Sequence[tuple[Path, set[str]]]) -> DayBatch:
        """Every row that was accepted: the day's zips, each with the transactions to take from it. See `contents.assemble`."""
