"""The nouns of a standard: tables (表), data items (数据项), code tables (业务代码表), file format."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

ItemType = Literal["text", "integer", "decimal", "date"]


@dataclass(frozen=True)
class CodeValue:
    """One line of a code table, valid from `valid_from` to `valid_to` (both inclusive, None = open)."""

    code: str
    name: str
    name_en: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    provenance: str = ""

    def valid_on(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)


@dataclass(frozen=True)
class CodeTable:
    """A business code table (业务代码表)."""

    code: str
    name: dict[str, str]
    provenance: str
    source: str
    values: tuple[CodeValue, ...]
    path: Path | None = None

    def on(self, day: date) -> tuple[CodeValue, ...]:
        """The values valid on `day`."""
        return tuple(value for value in self.values if value.valid_on(day))

    @cached_property
    def names(self) -> dict[str, str]:
        """Code -> Chinese name, the latest name where a code was renamed."""
        return {value.code: value.name for value in sorted(self.values, key=lambda v: (v.code, v.valid_from or date.min))}


@dataclass(frozen=True)
class Reference:
    """A foreign key: the item's values must exist as `item` of `table`, apart from `exceptions`."""

    table: str
    item: str
    exceptions: tuple[str, ...] = ()
    when: str | None = None


@dataclass(frozen=True)
class FieldLayout:
    """What a pack says of a field's place in a fixed-width record; None = as the format says for its type.

    `width` counts bytes of the file's encoding, `position` counts bytes from 1.
    """

    width: int | None = None
    position: int | None = None
    align: str | None = None
    padding: str | None = None
    sign: str | None = None
    decimals: str | None = None
    null: str | None = None


@dataclass(frozen=True)
class DataItem:
    """A data item (数据项). `length` counts in the standard's unit for text and digits for numbers."""

    code: str
    name: dict[str, str]
    type: ItemType
    length: int
    scale: int = 0
    required: bool = False
    key: bool = False
    role: str | None = None
    privacy: str | None = None
    privacy_when: str | None = None
    codes: str | None = None
    send: Literal["text", "code"] = "code"
    allow: tuple[str, ...] = ()
    default: Any = None
    refs: Reference | None = None
    provenance: str = ""
    length_provenance: str = ""
    note: Any = ""
    line: int = 0
    effective_from: date | None = None
    effective_to: date | None = None
    layout: FieldLayout = FieldLayout()

    def in_force(self, day: date) -> bool:
        return (self.effective_from is None or self.effective_from <= day) and (self.effective_to is None or day <= self.effective_to)

    @property
    def assigned(self) -> bool:
        """True for the leading items that the house fills itself (serial number, company)."""
        return self.role in ("serial", "company_code", "company_name")


@dataclass(frozen=True)
class Table:
    """A reported table (表), or an auxiliary one (`submitted` false) that only reconciliations read."""

    code: str
    name: dict[str, str]
    number: int
    subject: dict[str, str]
    level: int
    capture: str
    items: tuple[DataItem, ...]
    provenance: str = ""
    note: Any = ""
    submitted: bool = True
    path: Path | None = None
    effective_from: date | None = None
    effective_to: date | None = None
    reserved: tuple[FieldLayout, ...] = ()

    def in_force(self, day: date) -> bool:
        return (self.effective_from is None or self.effective_from <= day) and (self.effective_to is None or day <= self.effective_to)

    @cached_property
    def by_code(self) -> dict[str, DataItem]:
        return {item.code: item for item in self.items}

    @cached_property
    def transaction_item(self) -> DataItem | None:
        """The item that groups the rows of one business event over all tables, where the table has one."""
        return next((item for item in self.items if item.role == "transaction"), None)

    @cached_property
    def key_items(self) -> tuple[DataItem, ...]:
        return tuple(item for item in self.items if item.key)

    @cached_property
    def mapped_items(self) -> tuple[DataItem, ...]:
        """Items that come from core systems, in order: all but those the house fills itself."""
        return tuple(item for item in self.items if not item.assigned)


@dataclass(frozen=True)
class FileFormat:
    """How a table is written: read by the writer and, independently, by the reader."""

    kind: str = "delimited"
    encoding: str = "utf-8"
    separator: str = "\x01"
    line_end: str = "\n"
    header: bool = False
    null: str = ""
    date: str = "%Y-%m-%d"
    length_unit: Literal["bytes", "characters"] = "bytes"
    file_name: str = "{company}-{table}-{period_end:%Y%m%d}.txt"
    folder: str = "{company}-{period_end:%Y%m%d}"


@dataclass(frozen=True)
class EnvelopeField:
    """A field of a header or trailer record: a constant `text`, or what `name` stands for.

    Names: table, company, period_start, period_end, report_date, rows (data records), records (with header and trailer),
    sum (of `items[table]`; 0 for a table that is not named there). `date` is the pattern of a date.
    """

    name: str = ""
    text: str = ""
    items: dict[str, str] = field(default_factory=dict)
    date: str = ""
    layout: FieldLayout = FieldLayout()


@dataclass(frozen=True)
class FixedFormat(FileFormat):
    """A fixed-width format: every data record of a table has the same length in bytes, and a line end.

    `align` and `padding` are given for text (dates count as text) and number; a null is the text `null`, filled with blanks.
    """

    kind: str = "fixed"
    separator: str = ""
    align: dict[str, str] = field(default_factory=lambda: {"text": "left", "number": "right"})
    padding: dict[str, str] = field(default_factory=lambda: {"text": " ", "number": "0"})
    sign: str = "leading"
    decimals: str = "point"
    head: tuple[EnvelopeField, ...] = ()
    trail: tuple[EnvelopeField, ...] = ()


@dataclass(frozen=True)
class SerialFormat:
    """How serial numbers (流水号) are built."""

    item: str = "LSH"
    pattern: str = "{company}{report_date:%Y%m%d}{sequence:010d}"
    length: int = 24


@dataclass(frozen=True)
class PackageForm:
    """How a sealed package is made up: a folder of files (`folder`), or that and the registry's zip of them (`zip`)."""

    kind: str = "folder"
    batch_kind: str = "INC"


@dataclass(frozen=True)
class PlacingStep:
    """One way in which a row's jurisdiction (监管辖区) is found; exactly one of three is given.

    `item`: an own item holds it. `unit`: an own item holds a unit's code, looked up in the directory. `through`: the row belongs
    where a row of that table belongs, joined on `on` (own item -> item of `through`); of several, the one with the least `first`.
    """

    item: str = ""
    unit: str = ""
    through: str = ""
    on: dict[str, str] = field(default_factory=dict)
    first: str = ""


@dataclass(frozen=True)
class Directory:
    """The table of the company's units: which jurisdiction a unit's code lies in, and which unit is the head office."""

    table: str
    unit: str
    area: str
    head_item: str
    head_value: str


@dataclass(frozen=True)
class Jurisdictions:
    """How the national package is split into one per jurisdiction. `tables`: steps in the order of preference, () = the head office's.

    `directory` is None where each row names its jurisdiction itself.
    """

    tables: dict[str, tuple[PlacingStep, ...]]
    directory: Directory | None = None
    folder: str = "{company}{jurisdiction}-{period_end:%Y%m%d}"


@dataclass(frozen=True)
class Standard:
    """One edition of a regulator's standard."""

    name: str
    prefix: str
    title: dict[str, str]
    version: str
    frequency: str
    on_error: Literal["block_package", "hold_transactions"]
    company_codes: str | None
    serial: SerialFormat | None
    format: FileFormat
    masking: dict[str, dict[str, Any]]
    tables: dict[str, Table]
    codes: dict[str, CodeTable]
    effective_from: date | None = None
    effective_to: date | None = None
    hold_key: tuple[str, ...] = ()
    split_by: str | None = None
    open_ended: date = date(9999, 12, 31)
    deadline: dict[str, Any] = field(default_factory=dict)
    provenance: Any = ""
    basis: Any = ""
    folder: Path | None = None
    family: str = ""
    transaction: SerialFormat | None = None
    package: PackageForm = PackageForm()
    jurisdictions: Jurisdictions | None = None

    @cached_property
    def sends_clear(self) -> bool:
        """True when a private item leaves the house as it is: what is written is then personal data itself."""
        private = {item.privacy for table in self.submitted_tables for item in table.items if item.privacy}
        return any((self.masking.get(privacy) or {}).get("transform") == "clear" for privacy in private)

    @cached_property
    def submitted_tables(self) -> tuple[Table, ...]:
        """The tables that are sent, in load order (level, then the regulator's number)."""
        return tuple(sorted((t for t in self.tables.values() if t.submitted), key=lambda t: (t.level, t.number, t.code)))

    @cached_property
    def ordered_tables(self) -> tuple[Table, ...]:
        """All tables in load order, the auxiliary ones last."""
        extra = sorted((t for t in self.tables.values() if not t.submitted), key=lambda t: (t.level, t.number, t.code))
        return (*self.submitted_tables, *extra)
