"""`eastbound verify`: is a package still, byte for byte, what was sealed?"""

from __future__ import annotations

from pathlib import Path

import click

from etl.commands.common import command, echo_json, format_option, packs_option
from etl.language import say


@command(zh="校验报送包：清单、每个文件的字节与行数、由独立读取程序重读。", en="Check a package: its manifest, every file's bytes and rows, and a re-read by the independent reader.",
         examples=["eastbound verify var/packages/east_life_2020/2026-10/001/000999-20261031", "eastbound verify PACKAGE --format json"])
@click.argument("package", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--standard", "-s", default=None, help=say("标准名称，默认取自清单", "standard; default the one in the manifest"))
@format_option()
@packs_option
def verify(packs: tuple[str, ...], form: str, package: Path, standard: str | None) -> int:
    from etl.packs.roots import PackRoots
    from etl.standard.loader import StandardUnknown, load_standard
    from etl.submission.package import read_manifest, verify_package

    loaded = None
    manifest: dict = {}
    try:
        manifest = read_manifest(package)
        loaded = load_standard(standard or str(manifest["standard"]), PackRoots.of(*packs))
    except StandardUnknown:
        if standard:
            raise
    except (OSError, ValueError, KeyError):
        loaded = load_standard(standard, PackRoots.of(*packs)) if standard else None
    problems = verify_package(package, loaded)
    if form == "json":
        echo_json({"package": str(package), "ok": not problems, "problems": [
            {"file": p.file, "line": p.line, "item": p.item, "kind": p.kind, "message": say(p.zh, p.en)} for p in problems]})
    else:
        for problem in problems:
            click.echo(str(problem))
        if problems:
            click.echo(say(f"校验未通过：{len(problems):,} 处问题", f"not as sealed: {len(problems):,} problem(s)"))
        else:
            rows = sum(int(t["rows"]) for t in manifest["tables"])
            click.echo(say(f"校验通过：{len(manifest['tables'])} 个文件，{rows:,} 行，清单 {manifest['self'][:16]}…",
                           f"as sealed: {len(manifest['tables'])} files, {rows:,} rows, manifest {manifest['self'][:16]}…"))
            if loaded is None:
                click.echo(say("未找到该包的标准，只核对了字节", "the standard of this package was not found, so only bytes were compared"))
    return 1 if problems else 0
