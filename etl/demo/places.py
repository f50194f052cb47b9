"""Places of GB/T 2260 in force, read from the code table of the standard that the demo is reported under."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache

from etl.errors import EastboundError
from etl.packs.roots import PackRoots

_NO_COUNTIES = {"市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"}
ROADS = ("人民路", "中山路", "解放大道", "建设西路", "和平街", "新华南路", "文化东路", "长江路", "黄河路", "学院路", "滨江大道", "幸福里弄", "迎宾路", "青年路", "朝阳街")
ESTATES = ("阳光花园", "东方名苑", "锦绣家园", "翠湖天地", "世纪华庭", "金桂苑", "书香门第", "紫荆小区", "水岸新城")


class AreaCodesMissing(EastboundError):
    zh = "找不到行政区划代码表 XZQH（规范包 {standard}），演示数据无法生成地址"
    en = "the area codes XZQH of the pack {standard} are missing; demo addresses cannot be made"


@dataclass(frozen=True)
class Place:
    """A county with the city and province it lies in; codes of six digits."""

    county: str
    county_name: str
    city: str
    city_name: str
    province: str
    province_name: str


@lru_cache(maxsize=1)
def counties(standard: str = "east_life_2020") -> tuple[Place, ...]:
    """All counties in force, in code order."""
    folder = PackRoots.of().standard(standard)
    path = folder / "codes" / "XZQH.csv" if folder else None
    if path is None or not path.is_file():
        raise AreaCodesMissing(standard=standard)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        names = {row["code"]: row["name"] for row in csv.DictReader(lines) if not row["valid_to"]}
    places = []
    for code in sorted(names):
        city, province = code[:4] + "00", code[:2] + "0000"
        if code[4:] == "00" or names[code] in _NO_COUNTIES or city not in names or province not in names:
            continue
        places.append(Place(code, names[code], city, names[city], province, names[province]))
    return tuple(places)


def counties_of(prefix: str) -> tuple[Place, ...]:
    """Counties whose code begins with `prefix` (province: 2 digits, city: 4)."""
    return tuple(place for place in counties() if place.county.startswith(prefix))
