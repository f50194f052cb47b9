"""Names of people and organisations: common and rare, two to twenty characters, some outside the basic plane."""

from __future__ import annotations

import numpy as np

from etl.demo.columns import objects

_COMMON = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
SURNAMES = tuple(_COMMON) + ("欧阳", "上官", "司马", "诸葛", "司徒", "东方", "皇甫", "尉迟", "令狐", "慕容")
_MALE = "伟强磊军洋勇杰涛明超平刚波辉鹏飞斌亮建国志文俊宇浩然子轩昊天博泽晨旭睿铭凯健峰龙海东林松柏宏达永康荣庆"
_FEMALE = "芳娜敏静丽艳娟霞秀英燕玲桂兰红梅琳雪婷颖慧莹洁倩佳怡欣悦雨涵梓萱诗琪思语若晴雅韵春花月琴珍玉淑华菊"
_RARE = ("𠮷", "𬱖", "𫖯", "𬭎", "𨱏", "䶮", "犇", "昇", "喆", "堃")
_MINORITY = ("买买提·艾合买提·吐尔逊江", "阿布都热合曼·买买提明·阿不力孜", "古丽巴哈尔·依明江", "迪丽努尔·阿卜杜热西提·买合木提江", "阿依古丽·吐尔逊", "扎西次仁",
             "格桑卓玛", "乌云其木格", "巴特尔", "木合塔尔·阿布都克力木")
_FOREIGN_FIRST = ("JOHN MICHAEL", "EMMA", "DAVID", "SOPHIE ANNE", "KENJI", "YUKI", "MINJUN", "JIWOO", "HANS PETER", "CLAIRE", "OLIVER", "GRACE",
                  "THOMAS", "MARIE-LOUISE", "DANIEL", "RACHEL")
_FOREIGN_LAST = ("SMITH", "JOHNSON", "TANAKA", "SATO", "KIM", "LEE", "MULLER", "SCHMIDT-ROTHENBERG", "DUBOIS", "WILSON", "TAN", "LIM", "BROWN", "O'NEILL")
_TRADES = ("精密机械", "信息技术", "物流", "建筑工程", "生物科技", "餐饮管理", "纺织", "电子", "新能源", "教育咨询", "国际贸易", "装饰工程", "汽车零部件", "环保设备")
_FIRMS = ("华晟", "瑞通", "恒信", "东方", "金鼎", "远航", "鸿运", "博雅", "中科", "盛世", "天成", "海纳", "嘉禾", "卓越", "德润")
_BODIES = ("第一中学", "人民医院", "实验小学", "市政管理所", "职业技术学院", "图书馆")


def surnames(rng: np.random.Generator, size: int) -> np.ndarray:
    """Indices into SURNAMES, common ones more often."""
    weight = 1.0 / (np.arange(len(SURNAMES)) + 6.0)
    return rng.choice(len(SURNAMES), size=size, p=weight / weight.sum())


def person_names(rng: np.random.Generator, surname: np.ndarray, female: np.ndarray) -> np.ndarray:
    """Chinese names: surname and one or two characters that suit the sex; one in 250 is rare, long or outside the BMP."""
    size = len(surname)
    first = rng.integers(0, 10**6, size).tolist()
    second = rng.integers(0, 10**6, size).tolist()
    single = (rng.random(size) < 0.18).tolist()
    odd = np.flatnonzero(rng.random(size) < 0.004).tolist()
    out = []
    for s, f, a, b, one in zip(surname.tolist(), female.tolist(), first, second, single):
        pool = _FEMALE if f else _MALE
        given = pool[a % len(pool)]
        out.append(SURNAMES[s] + (given if one else given + pool[b % len(pool)]))
    # However small the insurer, a few names that trip up systems are always among its customers.
    for place, i in enumerate(sorted(set(odd) | {n for n in (3, 11, 23, 42) if n < size})):
        name = SURNAMES[int(surname[i])]
        out[i] = name + _RARE[place // 2 % len(_RARE)] + ("祥" if place % 4 else "") if place % 2 == 0 else _MINORITY[place // 2 % len(_MINORITY)]
    return objects(out)


def foreign_names(rng: np.random.Generator, size: int) -> np.ndarray:
    """Names as printed in passports."""
    last = rng.integers(0, len(_FOREIGN_LAST), size).tolist()
    first = rng.integers(0, len(_FOREIGN_FIRST), size).tolist()
    return objects([f"{_FOREIGN_LAST[a]} {_FOREIGN_FIRST[b]}" for a, b in zip(last, first)])


def organisation_names(rng: np.random.Generator, cities: list[str], public: list[bool]) -> list[str]:
    """Names of companies and of schools, hospitals and the like (`public`); two of them are unusually long."""
    names = []
    for i, (city, is_public) in enumerate(zip(cities, public)):
        short = city.removesuffix("市")
        a, b, c = (int(n) for n in rng.integers(0, 10**6, 3))
        if is_public:
            names.append(f"{city}{_BODIES[a % len(_BODIES)]}")
        elif i % 17 == 5:
            names.append(f"{short}{_FIRMS[a % len(_FIRMS)]}{_TRADES[b % len(_TRADES)]}与{_TRADES[c % len(_TRADES)]}综合开发集团股份有限公司{city}高新技术产业开发区分公司")
        else:
            names.append(f"{short}{_FIRMS[a % len(_FIRMS)]}{_TRADES[b % len(_TRADES)]}有限公司")
    return names
