"""Files of days for tests: a year that no library will know for long."""

from __future__ import annotations

from pathlib import Path

HEAD = "date,kind,name_zh,name_en,basis\n"
# 1 January 2098 is a Wednesday. Invented days off: the fixed ones, and seven more, so that the year counts as complete (13).
OFF_2098 = ["01-01", "01-30", "01-31", "02-01", "02-02", "02-03", "04-04", "05-01", "05-02", "06-04", "10-01", "10-02", "10-03"]


def write_days(folder: Path, *lines: str, name: str = "calendar.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(HEAD + "".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def year_2098(*, without: tuple[str, ...] = ()) -> list[str]:
    return [f"2098-{day},holiday,假,Day off,test" for day in OFF_2098 if day not in without]
