"""Standards that are sent by transactions: no serial numbers, a transaction item, a zip, clear values."""

from __future__ import annotations

import pytest
from small_standard import NAME, edit, load, write_pack

from etl.errors import EastboundError
from etl.standard import load_standard

SF = f"mappings/standards/{NAME}/tables/SF.yaml"
NUMBERED = """\
table: SF
number: 3
name: {zh: 收付表, en: Payments}
level: 3
items:
  - {code: JYH, name: {zh: 交易号}, type: text, length: 24, key: true, role: transaction}
  - {code: BDH, name: {zh: 保单号}, type: text, length: 20, key: true}
"""
PATTERN = 'transaction: {item: JYH, pattern: "{company}{sequence:010d}", length: 16}'


@pytest.fixture
def root(tmp_path):
    return write_pack(tmp_path)


def test_a_standard_may_do_without_serial_numbers(root):
    assert load(root).serial.item == "LSH"
    edit(root, "standard.yaml", 'serial: {item: LSH, pattern: "{company}{sequence:010d}", length: 16}', "serial: null")
    with pytest.raises(EastboundError, match="serial is null, but table BD has an item with role: serial"):
        load(root)
    for table in ("JG", "BD"):
        edit(root, f"tables/{table}.yaml", "  - {code: LSH, name: {zh: 流水号}, type: text, length: 16, role: serial}\n", "")
    assert load(root).serial is None


def test_a_transaction_item_needs_the_form_of_its_numbers(tmp_path):
    root = write_pack(tmp_path, {SF: NUMBERED})
    with pytest.raises(EastboundError, match="table SF has an item with role: transaction"):
        load(root)
    edit(root, "standard.yaml", "frequency: monthly", f"frequency: monthly\n{PATTERN}")
    standard = load(root)
    assert (standard.transaction.pattern, standard.transaction.length) == ("{company}{sequence:010d}", 16)
    assert standard.tables["SF"].transaction_item.code == "JYH"
    assert standard.tables["BD"].transaction_item is None
    # A mapping gives the event, so the item is not among those that the house fills itself.
    assert "JYH" in [item.code for item in standard.tables["SF"].mapped_items]


def test_what_is_sent_clear_is_known(root):
    assert not load(root).sends_clear
    edit(root, "standard.yaml", "name: {transform: hmac_sha256, bits: 256}", "name: {transform: clear}")
    assert load(root).sends_clear


def test_the_package_is_a_folder_or_a_zip(root):
    assert load(root).package.kind == "folder"
    edit(root, "standard.yaml", "frequency: monthly", "frequency: monthly\npackage: {kind: zip, batch_kind: INC}")
    assert (load(root).package.kind, load(root).package.batch_kind) == ("zip", "INC")
    edit(root, "standard.yaml", "kind: zip", "kind: zap")
    with pytest.raises(EastboundError, match="zap"):
        load(root)


def test_the_registry_has_the_published_tables_keys_and_widths():
    standard = load_standard("registry_life_2")
    assert (len(standard.tables), standard.frequency, standard.on_error, standard.hold_key) == (17, "daily", "hold_transactions", ("TransactionNo",))
    keys = {code: [item.code for item in table.key_items][1:] for code, table in standard.tables.items()}
    assert keys == {
        "LCPolTransaction": [], "LCCont": ["PolicyNo"], "LCProduct": ["PolicyNo", "ProductNo"], "LCInsured": ["PolicyNo", "InsuredNo", "MainInsuredNo"],
        "LCProdInsuRela": ["PolicyNo", "ProductNo", "InsuredNo"], "LCBnf": ["PolicyNo", "ProductNo", "InsuredNo", "BnfSerialNum"],
        "LCInsureAcc": ["PolicyNo", "ProductNo", "InsuAccNo", "AccType"], "LJTempFee": ["PolicyNo", "PrtNo", "ReceiptNo"],
        "LJAPay": ["PolicyNo", "PayNo", "ProductNo"], "LJAGet": ["PolicyNo", "ActuGetNo", "GetType"], "LJAGetLivBene": ["PolicyNo", "ProductNo", "WDNo"],
        "LJDivDistrib": ["PolicyNo", "ProductNo", "DivYear", "DivType", "DivDistribMeth"],
        "LLClaimPolicy": ["PolicyNo", "ClmCaseNo", "ProductNo", "BenefitType"], "LLBnf": ["ClaimNo", "PolicyNo", "ProductNo", "BnfSerialNum"],
        "LAAgent": ["PolicyNo", "AgencyCode", "AgentCode"], "LASales": ["PolicyNo", "AgentCode"], "LMProduct": ["ProductCode"]}
    for table in standard.tables.values():
        first, second = table.items[:2]
        assert (first.code, first.length, first.key, second.code, second.length) == ("TransactionNo", 24, True, "CompanyCode", 6)
        for item in table.items:
            assert item.name["zh"]
            assert item.provenance == "E"
            if item.type == "decimal" and item.scale == 2 and item.length > 5:
                assert item.length == 16
    widths = {(table.code, item.code): item.length for table in standard.tables.values() for item in table.items}
    assert widths["LCCont", "AppntName"] == 120
    assert widths["LCPolTransaction", "BankAccNo"] == 40
    assert widths["LLClaimPolicy", "AccidentDesc"] == 1000
    assert widths["LCBnf", "PercentOfBenefit"] == 16
    assert {code.code: code.provenance for code in standard.codes["BussType"].values if code.provenance == "E"} == {"47": "E", "57": "E", "58": "E"}
