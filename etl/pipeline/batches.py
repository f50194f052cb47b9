"""The registry's zip of a day, made from the written texts and held against them; and closing clear files to others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import EastboundError
from etl.submission.definition import WrittenFile
from etl.submission.reader import load_lines
from etl.submission.zip_package import DayBatch, batch_number, make_batch, read_batch_zip

if TYPE_CHECKING:
    from etl.pipeline.context import RunContext


class BatchDiffers(EastboundError):
    zh = "批次压缩包的表 {table} 与报送文件不一致，未封包"
    en = "table {table} in the batch's zip is not what was written; no package was sealed"
    exit_code = 3


def day_batch(context: RunContext, folder: Path, files: Sequence[WrittenFile]) -> DayBatch | None:
    """Zip the texts in `folder`; None when no table has a row. A day run again keeps its batch number.

    Raises BatchDiffers where the zip, read back, does not hold the very lines.
    """
    for old in folder.glob("*.zip"):
        old.unlink()
    if not any(file.rows for file in files):
        return None
    standard, request, company = context.standard, context.request, context.company.code
    fmt, kind = standard.format, standard.package.batch_kind
    sequence = context.ledger.allocate_batch(company, kind, standard.name, request.period.label)
    spelling = {"separator": fmt.separator, "line_end": fmt.line_end, "encoding": fmt.encoding}
    batch = make_batch(folder, {file.table: file.name for file in files}, company, kind, request.period.end,  # type: ignore[arg-type]
                       batch_number(company, kind, sequence), folder, **spelling, mode=0o600 if standard.sends_clear else 0o644)  # type: ignore[arg-type]
    inside = read_batch_zip(batch.zip_path, **spelling)
    for file in files:
        lines = load_lines(file.path, standard.tables[file.table], standard).drop("_line").fill_null(fmt.null).rows()
        if inside.get(file.table, []) != [list(line) for line in lines]:
            raise BatchDiffers(table=file.table)
    return batch


def batch_entry(batch: DayBatch) -> dict[str, Any]:
    """What the manifest says of the batch, for whoever sends it."""
    return {"batch_no": batch.batch_no, "kind": batch.kind, "trans_date": batch.trans_date.isoformat(), "trans_count": batch.trans_count,
            "file": batch.zip_path.name, "md5": batch.md5, "tables": dict(batch.tables)}


def close_to_others(folder: Path, *above: Path) -> None:
    """Owner-only: files 0600 and folders 0700, for texts that hold clear personal data. `above` are made if need be."""
    for path in sorted(above):
        path.mkdir(parents=True, exist_ok=True)
        os.chmod(path, 0o700)
    os.chmod(folder, 0o700)
    for file in folder.iterdir():
        os.chmod(file, 0o600)
