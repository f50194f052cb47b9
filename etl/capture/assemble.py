"""Putting an image together: the file of an earlier run, less what changed, plus what was fetched."""

from __future__ import annotations

import json
from bisect import bisect_left
from pathlib import Path
from typing import Any

from etl.capture.image import ASIDE, BASE, DELTA, GONE, MARK, PLAIN, SPACING, base_part, drop_layers, is_layered, link, part, rows_sql
from etl.engines.local import Engine, literal, quote
from etl.errors import EastboundError
from etl.files import whole_file
from etl.sources.definition import SourceTable
from etl.sources.extract import Making

# A delta that has grown beyond this is made one file with its base: every later run would carry it along.
DELTA_ROWS, DELTA_SHARE = 200_000, 0.1
DELTA_LEAST = 2_000


class ImageNotWhole(EastboundError):
    zh = "{system}.{table} 的增量与基准不符（应有 {wanted} 行，得 {found} 行）；请以 --capture full 重新运行"
    en = "the increment of {system}.{table} does not fit its base ({wanted} rows wanted, {found} found); run again with --capture full"
    exit_code = 3


def assemble(making: Making, table: SourceTable, old: Path, new: Path, notes: dict[str, Any]) -> tuple[int, int]:
    """Make the table's image from the image in `old` and the changes in `new`; (rows, rows set aside).

    Everything is written anew from the two folders, so that a killed call can be repeated. Raises ImageNotWhole.
    """
    engine, folder, name = making.engine, making.folder, table.name
    changes = f"read_parquet({literal(str(new / f'{name}.changes.parquet'))})"
    fetched = f"read_parquet({literal(str(new / f'{name}.rows.parquet'))})"
    base = base_part(old, name)
    replaced = f"SELECT _src_key FROM {changes} WHERE change <> 'inserted'"
    earlier_gone, earlier_delta = "SELECT NULL::BIGINT AS _src_row WHERE FALSE", f"SELECT * FROM {fetched} WHERE FALSE"
    if is_layered(old, name):
        earlier_gone = f"SELECT _src_row FROM read_parquet({literal(str(part(old, name, GONE)))})"
        earlier_delta = f"SELECT * FROM read_parquet({literal(str(part(old, name, DELTA)))}) WHERE _src_key NOT IN ({replaced})"
    engine.execute(f"CREATE OR REPLACE TEMP TABLE _gone AS SELECT DISTINCT _src_row FROM (SELECT _src_row FROM read_parquet({literal(str(base))}) "
                   f"WHERE _src_key IN ({replaced}) UNION ALL {earlier_gone})")
    engine.execute(f"CREATE OR REPLACE TEMP TABLE _delta AS {earlier_delta} UNION ALL BY NAME "
                   f"SELECT * REPLACE ({literal(making.batch_id)} AS _batch) FROM {fetched} WHERE _src_key IN (SELECT _src_key FROM {changes} WHERE change <> 'deleted')")
    _number(engine, table, base)
    drop_layers(folder, name)
    part(folder, name, PLAIN).unlink(missing_ok=True)
    engine.write_parquet("SELECT _src_row FROM _gone ORDER BY 1", part(folder, name, GONE))
    changed = engine.write_parquet("SELECT d.* REPLACE (n.number AS _src_row) FROM _delta d JOIN _numbers n USING (_src_key) ORDER BY n.number", part(folder, name, DELTA))
    link(base, part(folder, name, BASE))
    last = int(engine.one(f"SELECT coalesce(max(_src_row), 0) FROM read_parquet({literal(str(base))})"))
    # Rows set aside are in no table; their numbers come after all others.
    rows_aside = engine.write_parquet(
        f"SELECT * REPLACE ((row_number() OVER (ORDER BY _src_key) + {last}) * {SPACING} AS _src_row, {literal(making.batch_id)} AS _batch) "
        f"FROM read_parquet({literal(str(new / f'{name}.rows.aside.parquet'))}) ORDER BY _src_row", part(folder, name, ASIDE))
    kept = int(engine.one(f"SELECT count(*) FROM read_parquet({literal(str(base))})")) - int(engine.one("SELECT count(*) FROM _gone")) + changed
    if kept + rows_aside != notes["total"]:
        drop_layers(folder, name)
        raise ImageNotWhole(system=making.system.name, table=name, wanted=notes["total"], found=kept + rows_aside)
    with whole_file(part(folder, name, MARK), mode=0o600) as partial:
        partial.write_text(json.dumps({"base": notes["base"], "rows": kept, "delta": changed}), encoding="utf-8")
    if changed > min(DELTA_ROWS, max(DELTA_LEAST, DELTA_SHARE * kept)):
        _flatten(engine, folder, name)
    for temporary in ("_gone", "_delta", "_numbers"):
        engine.execute(f"DROP TABLE IF EXISTS {temporary}")
    return kept, rows_aside


def _number(engine: Engine, table: SourceTable, base: Path) -> None:
    """`_numbers` (_src_key, number): a row that the base has keeps its place there; a new one comes after the row that its key comes after."""
    import pyarrow.parquet as pq

    engine.execute(f"CREATE OR REPLACE TEMP TABLE _numbers AS SELECT b._src_key, b._src_row * {SPACING} AS number FROM read_parquet({literal(str(base))}) b "
                   "WHERE b._src_key IN (SELECT _src_key FROM _delta)")
    keys = ", ".join(quote(column) for column in table.key)
    strangers = engine.rows(f"SELECT _src_key, {keys} FROM _delta WHERE _src_key NOT IN (SELECT _src_key FROM _numbers) ORDER BY {keys}")
    if not strangers:
        return
    # The base lies in the order of its keys, so that the place of a key is found by halving.
    book = pq.read_table(base, columns=[*table.key, "_src_row"]).combine_chunks()
    columns, places = [book.column(name) for name in table.key], book.column("_src_row")
    numbers, before, follower = [], -1, 0
    for stranger in strangers:
        at = bisect_left(range(book.num_rows), stranger[1:], key=lambda i: tuple(column[i].as_py() for column in columns))
        place = places[at - 1].as_py() if at else 0
        follower = follower + 1 if place == before else 1
        before = place
        numbers.append(place * SPACING + follower)
    engine.execute("INSERT INTO _numbers SELECT unnest(?::VARCHAR[]), unnest(?::BIGINT[])", [[stranger[0] for stranger in strangers], numbers])


def _flatten(engine: Engine, folder: Path, name: str) -> None:
    """One file instead of layers, numbered as a full read numbers."""
    engine.write_parquet(f"SELECT * REPLACE (row_number() OVER (ORDER BY _src_row) AS _src_row) FROM ({rows_sql(folder, name)}) ORDER BY _src_row", part(folder, name, PLAIN))
    drop_layers(folder, name)
