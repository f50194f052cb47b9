"""Which source columns an item is made of, read off mappings whose answer is plain to see."""

from __future__ import annotations

import pytest

from etl.lineage.columns import Origin, Step, is_masked, table_origins
from etl.mapping.loader import load_mappings, source_columns
from etl.packs.roots import PackRoots
from etl.sources.loader import load_sources
from etl.standard.loader import load_standard
from tests.pipeline.small_insurer import MAP_POLICY, write_packs

IDENTITY = Step("DIRECT", "IDENTITY")
JOIN, FILTER, GROUP_BY, CONDITIONAL = (Step("INDIRECT", subtype) for subtype in ("JOIN", "FILTER", "GROUP_BY", "CONDITIONAL"))
DECIDING = """
standard: tiny
table: BD
branches:
  - from: core.Policy p
    where: p.State <> '9' AND y.Amount > 0
    joins:
      - {left: core.Pay y, on: y.PolNo = p.PolNo, where: y.SeqNo = 1}
    items:
      BDH: p.PolNo
      XM: upper(p.Owner)
      ZT: code(state, p.State)
      SXRQ: coalesce(p.ValidFrom, parse_date(y.PaidOn, '%Y/%m/%d'))
      ZZRQ: (p.EndDate)
      BF: CASE WHEN p.State = '1' THEN p.Prem ELSE y.Amount END
      LJBF: {default: true, why: {zh: 无, en: not kept}}
      BZ: {constant: 无, why: {zh: 无, en: not kept}}
"""


@pytest.fixture
def origins(tmp_path):
    """Writes the pack with another mapping of BD, and gives the origins."""
    packs = write_packs(tmp_path)
    path = packs / "mappings/sources/core/tiny/BD.yaml"

    def read(text: str):
        path.write_text(text, encoding="utf-8")
        roots = PackRoots((packs,))
        mappings = load_mappings(load_standard("tiny", roots), source_columns(load_sources(roots)), roots)
        return table_origins(mappings.tables["BD"])
    return read


def policy(column, *steps):
    return Origin("core", "Policy", column, steps)


def pay(column, *steps):
    return Origin("core", "Pay", column, steps)


def test_a_column_as_it_is_a_code_and_a_sum_over_many_rows(origins):
    found = origins(MAP_POLICY)
    assert found.items["BDH"] == (policy("PolNo", IDENTITY),)
    assert found.items["ZT"] == (policy("State", Step("DIRECT", "TRANSFORMATION", "code(state, p.State)")),), "the code map is no column"
    assert found.items["LJBF"] == (pay("Amount", Step("DIRECT", "AGGREGATION", "sum(y.Amount)")), pay("PolNo", GROUP_BY), policy("PolNo", JOIN))
    assert found.rows == () and list(found.items) == ["BDH", "XM", "ZT", "SXRQ", "ZZRQ", "BF", "LJBF", "BZ"]


def test_what_only_decides_is_indirect(origins):
    found = origins(DECIDING)
    text = "CASE WHEN p.State = '1' THEN p.Prem ELSE y.Amount END"
    assert found.items["BF"] == (
        pay("Amount", Step("DIRECT", "TRANSFORMATION", text)), pay("PolNo", JOIN), pay("SeqNo", FILTER),
        policy("PolNo", JOIN), policy("Prem", Step("DIRECT", "TRANSFORMATION", text)), policy("State", CONDITIONAL))
    assert found.rows == (pay("Amount", FILTER), pay("PolNo", JOIN), pay("SeqNo", FILTER), policy("PolNo", JOIN), policy("State", FILTER))


def test_brackets_change_nothing_and_what_no_column_gives_has_no_origin(origins):
    found = origins(DECIDING)
    assert found.items["ZZRQ"] == (policy("EndDate", IDENTITY),)
    assert found.items["LJBF"] == found.items["BZ"] == ()
    assert [(one.table, one.column) for one in found.items["SXRQ"]] == [("Pay", "PaidOn"), ("Pay", "PolNo"), ("Pay", "SeqNo"), ("Policy", "PolNo"), ("Policy", "ValidFrom")]


def test_a_join_behind_a_join_counts_too(origins):
    text = DECIDING.replace("where: y.SeqNo = 1}", "where: y.SeqNo = 1}\n      - {aggregate: core.Pay z, on: z.SeqNo = y.SeqNo, values: {last: max(z.Amount)}}")
    found = origins(text.replace("BF: CASE WHEN p.State = '1' THEN p.Prem ELSE y.Amount END", "BF: z.last + 1"))
    assert found.items["BF"] == (
        pay("Amount", Step("DIRECT", "AGGREGATION", "z.last + 1")), pay("PolNo", JOIN), pay("SeqNo", GROUP_BY, JOIN, FILTER), policy("PolNo", JOIN))


def test_the_same_column_over_two_branches_has_both_steps(origins):
    second = MAP_POLICY.partition("branches:\n")[2].replace("BDH: p.PolNo", "BDH: upper(p.PolNo)")
    found = origins(MAP_POLICY + second)
    assert found.items["BDH"] == (policy("PolNo", IDENTITY, Step("DIRECT", "TRANSFORMATION", "upper(p.PolNo)")),)


def test_which_items_nobody_can_read_any_more(tmp_path):
    packs = write_packs(tmp_path)
    standard = load_standard("tiny", PackRoots((packs,)))
    items = standard.tables["BD"].by_code
    assert is_masked(standard, items["XM"]) and not is_masked(standard, items["BDH"])
    path = packs / "mappings/standards/tiny/standard.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("hmac_sha256, bits: 256", "clear"), encoding="utf-8")
    clear = load_standard("tiny", PackRoots((packs,)))
    assert not is_masked(clear, clear.tables["BD"].by_code["XM"])
