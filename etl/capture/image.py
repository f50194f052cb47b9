"""The image of a source table: all its rows as of a run, in one file, or as an earlier file and what has changed since.

plain     `<table>.parquet`
layered   `<table>.base.parquet` (the file of an earlier run, as it was), `<table>.gone.parquet` (numbers of its rows that are
          no more or were changed), `<table>.delta.parquet` (changed and new rows), and `<table>.image.json`, written last

Rows set aside are in `<table>.aside.parquet` in both. A layered image has no `<table>.parquet`: whoever does not know of layers
finds no file, never half the rows.

The number of a row (`_src_row`) tells its place in the order of the key. In a layered image a row of the base has its old number
times `SPACING`, which leaves room between any two rows for new ones. Numbers therefore differ from those of a full read, but not
their order, and nothing but their order ever decides anything.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path

from etl.engines.local import Engine, literal, open_engine, quote
from etl.files import PARTIAL
from etl.privacy.vault import Vault

SPACING = 2**20
BASE, DELTA, GONE, MARK = "base.parquet", "delta.parquet", "gone.parquet", "image.json"
PLAIN, ASIDE = "parquet", "aside.parquet"
LAYERS = (BASE, DELTA, GONE, MARK)


def part(folder: Path, table: str, kind: str) -> Path:
    """A file of a table's image."""
    return folder / f"{table}.{kind}"


def is_layered(folder: Path, table: str) -> bool:
    return part(folder, table, MARK).is_file()


def base_part(folder: Path, table: str) -> Path:
    """The file that later images build on: the base of a layered image, or all of a plain one."""
    return part(folder, table, BASE if is_layered(folder, table) else PLAIN)


def rows_sql(folder: Path, table: str) -> str:
    """A query of all rows of the image."""
    if not is_layered(folder, table):
        return f"SELECT * FROM {_read(folder, table, PLAIN)}"
    return (f"SELECT * REPLACE (b._src_row * {SPACING} AS _src_row) FROM {_read(folder, table, BASE)} AS b "
            f"ANTI JOIN {_read(folder, table, GONE)} AS g ON b._src_row = g._src_row "
            f"UNION ALL BY NAME SELECT * FROM {_read(folder, table, DELTA)}")


def aside_sql(folder: Path, table: str) -> str:
    """A query of the rows set aside."""
    return f"SELECT * FROM {_read(folder, table, ASIDE)}"


def _read(folder: Path, table: str, kind: str) -> str:
    return f"read_parquet({literal(str(part(folder, table, kind)))})"


def view_image(engine: Engine, system: str, table: str, folder: Path) -> None:
    """Make the image in `folder` known to the engine as src."system.table"."""
    if not is_layered(folder, table):
        engine.view_parquet("src", f"{system}.{table}", part(folder, table, PLAIN))
        return
    engine.schema("src")
    engine.execute(f"CREATE OR REPLACE VIEW src.{quote(f'{system}.{table}')} AS {rows_sql(folder, table)}")


def drop_layers(folder: Path, table: str) -> None:
    """Remove what a layered image is made of, the mark first."""
    for kind in reversed(LAYERS):
        part(folder, table, kind).unlink(missing_ok=True)


def image_files(vault: Vault, run: str, system: str, table: str) -> list[str]:
    """The files of a table's image in a run, relative to the run; none where the image is not there or not whole."""
    there = {name.removeprefix(f"extract/{system}/{table}.") for name in vault.files(run) if name.startswith(f"extract/{system}/{table}.")}
    wanted = {ASIDE, *LAYERS} if MARK in there else {ASIDE, PLAIN}
    return [f"extract/{system}/{table}.{kind}" for kind in sorted(wanted)] if wanted <= there else []


def fetch_image(vault: Vault, run: str, system: str, table: str, target: Path) -> None:
    """Put the clear files of an image of an earlier run into `target`, which lies in the vault. Raises VaultFileMissing, VaultWrongKey, VaultDamaged."""
    from etl.privacy.vault import VaultFileMissing

    names = image_files(vault, run, system, table)
    if not names:
        raise VaultFileMissing(name=f"extract/{system}/{table}.{PLAIN}", run=run)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in sorted(names, key=lambda name: name.endswith(MARK)):
        with vault.read(run, name) as clear:
            link(clear, target / Path(name).name)


def link(source: Path, target: Path) -> None:
    """Give a finished file a second name, whole or not at all; where the file system cannot, a copy."""
    partial = target.with_name(target.name + PARTIAL)
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
        partial.chmod(0o600)
    os.replace(partial, target)


def open_image(vault: Vault, run: str, system: str, table: str, stack: ExitStack) -> Path:
    """One clear Parquet file with all rows of an image of a run, until the stack closes. Raises VaultFileMissing and the vault's other errors."""
    if f"extract/{system}/{table}.{MARK}" not in vault.files(run):
        return stack.enter_context(vault.read(run, f"extract/{system}/{table}.{PLAIN}"))
    own = stack.enter_context(vault.scratch())
    fetch_image(vault, run, system, table, own)
    whole = own / f"{table}.whole.parquet"
    with open_engine(own / "spill") as engine:
        engine.write_parquet(rows_sql(own, table), whole)
    return whole
