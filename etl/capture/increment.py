"""Reading an increment: the keys and watermarks of the whole table, then in whole the rows that are new or may have changed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.capture.image import aside_sql, rows_sql
from etl.engines.local import Engine, literal, quote
from etl.sources.contracts import Delivered
from etl.sources.convert import scan_sql
from etl.sources.definition import SourceColumn
from etl.sources.extract import Making, Snapshot, drop_raw, raw_file
from etl.sources.roads import Only

if TYPE_CHECKING:
    from etl.ledger.definition import Run

# Rows that look unchanged and are read all the same: do they still say what the earlier image says?
SAMPLE = 200
# Where more than this share of a table is to be read by key, reading all of it is faster.
MOST = 0.25
LEAST = 1000


def read_increment(engine: Engine, snapshot: Snapshot, one: Delivered, columns: tuple[SourceColumn, ...], total: int, base: Run, old: Path,
                   new: Path) -> dict[str, Any] | str:
    """Put the changed rows and the list of changes into `new`; returns what `assemble` needs to know, or why all must be read.

    Read in whole are rows with a key that the earlier image does not have, with a watermark that is not the one there (whichever way it
    went), with none at all, or with one not older than the last by more than the overlap, and rows that were set aside.
    A sample of the others is compared with the earlier image: where the watermark stands still though rows change, it is not relied on.
    """
    table = one.table
    name, known = table.name, len(snapshot.problems)
    assert table.watermark is not None
    scan = (*(table.by_name[part] for part in table.key), table.by_name[table.watermark])
    keys_file = f"{name}.keys"
    try:
        rows = snapshot.read(one, scan, keys_file, total)
        # What is wrong with these columns shows again in the rows that are read in whole.
        del snapshot.problems[known:]
        engine.execute(f"CREATE OR REPLACE TEMP TABLE _now AS {scan_sql(raw_file(snapshot.folder, keys_file), table, scan)}")
        _load_base(engine, table.watermark, old, name)
        unfit = _unfit(engine)
        if unfit:
            return unfit
        _choose(engine, scan[-1], base, table.overlap_days, snapshot.system.name + name + base.id)
        leads = [row[0] for row in engine.rows("SELECT DISTINCT _lead FROM _wanted ORDER BY 1")]
        expected = int(engine.one("SELECT count(*) FROM _now WHERE _lead IN (SELECT _lead FROM _wanted)"))
        if expected > max(LEAST, MOST * rows):
            return "too_many_changed"
        found = f"{name}.rows"
        read = snapshot.read(one, columns, found, expected, Only(scan[0], leads))
        new.mkdir(mode=0o700, parents=True, exist_ok=True)
        making = Making(engine, snapshot.system, snapshot.folder, snapshot.folder.parent, "")
        _, _, _, aside = making.convert(table, columns, read, found, into=new)
        drop_raw(snapshot.folder, found)
        counts = _changes(engine, name, [column.name for column in columns], old, new)
        if isinstance(counts, str):
            del snapshot.problems[known:]
            return counts
        return {"rows": read, "total": rows, "aside": aside, **counts, "unchanged": rows - counts["inserted"] - counts["updated"]}
    finally:
        drop_raw(snapshot.folder, keys_file)
        for temporary in ("_now", "_before", "_wanted"):
            engine.execute(f"DROP TABLE IF EXISTS {temporary}")


def _load_base(engine: Engine, watermark: str, old: Path, name: str) -> None:
    engine.execute(f"CREATE OR REPLACE TEMP TABLE _before AS SELECT _src_key, {quote(watermark)} AS mark, FALSE AS aside FROM ({rows_sql(old, name)}) "
                   f"UNION ALL SELECT _src_key, NULL, TRUE FROM ({aside_sql(old, name)})")


def _unfit(engine: Engine) -> str:
    """Why keys cannot tell the rows apart, or nothing."""
    if engine.one("SELECT EXISTS (SELECT 1 FROM _now WHERE NOT _usable OR contains(_lead, chr(0)))"):
        return "key_unusable"
    for rows in ("_now", "_before"):
        if engine.one(f"SELECT count(*) <> count(DISTINCT _src_key) FROM {rows}"):
            return "key_not_unique"
    return ""


def _choose(engine: Engine, mark: SourceColumn, base: Run, overlap: int, seed: str) -> None:
    """`_wanted`: the rows to read in whole; `sampled` marks those that are read only to be compared."""
    latest, since = "max(mark)", "(SELECT latest FROM _since)"
    if mark.type in ("date", "timestamp"):
        # A watermark in the future would hide everything that changes until then.
        latest = f"max(mark) FILTER (mark <= TIMESTAMP {literal(f'{base.started_at.replace(tzinfo=None) + timedelta(days=1):%Y-%m-%d %H:%M:%S}')})"
        since = f"(SELECT latest - INTERVAL {overlap} DAY FROM _since)"
    engine.execute(f"CREATE OR REPLACE TEMP TABLE _since AS SELECT {latest} AS latest FROM _before")
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE _wanted AS SELECT n._src_key, n._lead, FALSE AS sampled FROM _now n LEFT JOIN _before b USING (_src_key) "
        f"WHERE b._src_key IS NULL OR b.aside OR n.mark IS NULL OR n.mark IS DISTINCT FROM b.mark OR n.mark >= {since}")
    engine.execute(
        "INSERT INTO _wanted SELECT _src_key, _lead, TRUE FROM _now WHERE _src_key NOT IN (SELECT _src_key FROM _wanted) "
        f"ORDER BY hash(_src_key || {literal(seed)}), _src_key LIMIT {SAMPLE}")


def _changes(engine: Engine, name: str, columns: list[str], old: Path, new: Path) -> dict[str, int] | str:
    """Write `<table>.changes.parquet` (_src_key, change); the counts, or why the increment cannot be relied on."""
    kept, aside = (f"read_parquet({literal(str(new / f'{name}.rows.{kind}'))})" for kind in ("parquet", "aside.parquet"))
    found = f"SELECT _src_key FROM {kept} UNION ALL SELECT _src_key FROM {aside}"
    if engine.one(f"SELECT EXISTS (SELECT 1 FROM _wanted WHERE _src_key NOT IN ({found}))"):
        return "key_not_found"
    before = f"({rows_sql(old, name)})"
    # Compared value by value: where there are few rows, nothing need rest on hashes.
    same = (f"SELECT f._src_key FROM {kept} f JOIN {before} b ON f._src_key = b._src_key "
            f"WHERE {' AND '.join(f'f.{quote(c)} IS NOT DISTINCT FROM b.{quote(c)}' for c in columns)} "
            f"UNION ALL SELECT f._src_key FROM {aside} f JOIN ({aside_sql(old, name)}) b ON f._src_key = b._src_key AND CAST(f.\"row\" AS VARCHAR) = CAST(b.\"row\" AS VARCHAR)")
    target = new / f"{name}.changes.parquet"
    engine.write_parquet(
        f"SELECT f._src_key, CASE WHEN b._src_key IS NULL THEN 'inserted' ELSE 'updated' END AS change FROM ({found}) f LEFT JOIN _before b ON b._src_key = f._src_key "
        f"WHERE f._src_key NOT IN ({same}) UNION ALL SELECT _src_key, 'deleted' FROM _before b WHERE NOT EXISTS (SELECT 1 FROM _now n WHERE n._src_key = b._src_key)",
        target)
    changes = f"read_parquet({literal(str(target))})"
    if engine.one(f"SELECT EXISTS (SELECT 1 FROM {changes} WHERE _src_key IN (SELECT _src_key FROM _wanted WHERE sampled))"):
        return "watermark_stands_still"
    counted = dict(engine.rows(f"SELECT change, count(*) FROM {changes} GROUP BY change"))
    return {change: int(counted.get(change, 0)) for change in ("inserted", "updated", "deleted")}
