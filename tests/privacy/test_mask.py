import hashlib
import hmac
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.expressions import ExpressionBroken
from etl.privacy.keys import Keyring
from etl.privacy.mask import MaskCounts, MaskSourceUnfit, mask_table
from etl.privacy.transforms import MaskingUndefined
from etl.standard.definition import CodeTable, CodeValue, DataItem, FileFormat, SerialFormat, Standard, Table

RING = Keyring(masking=b"m" * 32, vault=b"v" * 32)
MASKING = {
    "name": {"transform": "hmac_sha256", "bits": 256},
    "id_number": {"transform": "hmac_sm3", "bits": 160},
    "phone": {"transform": "keep_ends", "left": 3, "right": 4},
    "email": {"transform": "clear"},
}


def hashed(value):
    key = hmac.new(RING.masking, b"eastbound/mask/v1/name", "sha256").hexdigest()
    return hmac.new(key.encode(), value.encode(), hashlib.sha256).hexdigest()


def standard_with(*items, masking=MASKING):
    table = Table("KH", {}, 1, {}, 1, "full", (DataItem("LSH", {}, "text", 28, role="serial"), *items))
    codes = {"LB": CodeTable("LB", {}, "", "", (CodeValue("1", "个人客户"), CodeValue("2", "团体客户")))}
    return Standard(
        "s", "S", {}, "1", "monthly", "block_package", None, SerialFormat(), FileFormat(), masking, {"KH": table}, codes
    )


ITEMS = (
    DataItem("KHH", {}, "text", 20, key=True),
    DataItem("XM", {}, "text", 64, privacy="name", privacy_when="KHLB = '个人客户'", default="未记录"),
    DataItem("KHLB", {}, "text", 20),
    DataItem("ZJHM", {}, "text", 50, privacy="id_number"),
    DataItem("DH", {}, "text", 50, privacy="phone", allow=("000000",)),
    DataItem("YX", {}, "text", 50, privacy="email"),
    DataItem("CSRQ", {}, "date", 10),
    DataItem("JE", {}, "decimal", 16, scale=2),
)


def save(path, rows):
    names = ["KHH", "XM", "KHLB", "ZJHM", "DH", "YX", "CSRQ", "JE"]
    kinds = [pa.string()] * 6 + [pa.date32(), pa.decimal128(16, 2)]
    columns = {
        name: pa.array([r[i] for r in rows], kind) for i, (name, kind) in enumerate(zip(names, kinds, strict=True))
    }
    columns |= {
        "_row": pa.array(range(1, len(rows) + 1), pa.int64()),
        "_src_key": pa.array([f"K{i}" for i in range(len(rows))], pa.string()),
    }
    pq.write_table(pa.table(columns), path)
    return path


def client(name="张三", kind="个人客户", number="110101199001011237", phone="13812345678", email="a@b.cn"):
    return ("C1", name, kind, number, phone, email, date(1990, 1, 1), Decimal("1.50"))


def run(tmp_path, rows, standard=None, name="masked.parquet"):
    standard = standard or standard_with(*ITEMS)
    target = tmp_path / name
    counts = mask_table(save(tmp_path / "clear.parquet", rows), target, standard.tables["KH"], standard, RING)
    return counts, pq.read_table(target)


def test_private_items_are_transformed_and_the_rest_is_left(tmp_path):
    counts, table = run(tmp_path, [client(), client(None, number=None, phone=None)])
    one, two = table.to_pylist()
    assert one["XM"] == hashed("张三") and one["DH"] == "138****5678" and one["YX"] == "a@b.cn"
    assert len(one["ZJHM"]) == 40 and set(one["ZJHM"]) <= set("0123456789abcdef")
    assert (one["KHH"], one["KHLB"], one["CSRQ"], one["JE"]) == ("C1", "个人客户", date(1990, 1, 1), Decimal("1.50"))
    assert (one["_row"], one["_src_key"], two["_row"], two["_src_key"]) == (1, "K0", 2, "K1")
    assert (two["XM"], two["ZJHM"], two["DH"]) == (None, None, None)
    assert counts == MaskCounts("KH", 2, {"XM": 1, "ZJHM": 1, "DH": 1})
    assert table.schema.names == ["KHH", "XM", "KHLB", "ZJHM", "DH", "YX", "CSRQ", "JE", "_row", "_src_key"]
    assert table.schema.field("JE").type == pa.decimal128(16, 2)


def test_only_where_the_condition_holds_or_cannot_be_judged(tmp_path):
    counts, table = run(tmp_path, [client("张三"), client("东岸物流有限公司", "团体客户"), client("李四", None)])
    assert table.column("XM").to_pylist() == [hashed("张三"), "东岸物流有限公司", hashed("李四")]
    assert counts.masked["XM"] == 2 and counts.masked["ZJHM"] == 3


def test_values_that_stand_for_nobody_stay_clear(tmp_path):
    counts, table = run(tmp_path, [client("未记录", phone="000000"), client("张三", phone="未记录")])
    assert table.column("XM").to_pylist() == ["未记录", hashed("张三")]
    assert table.column("DH").to_pylist() == ["000000", "****"]
    assert counts.masked == {"XM": 1, "ZJHM": 2, "DH": 1}


def test_a_condition_may_use_functions_and_code_tables(tmp_path):
    items = [
        DataItem("KHH", {}, "text", 20),
        DataItem("XM", {}, "text", 64, privacy="name", privacy_when="in_texts(LB, KHLB) AND is_id_card(ZJHM)"),
        *ITEMS[2:],
    ]
    _, table = run(
        tmp_path, [client(number="110101199001011237"), client(number="x"), client(kind="不明")], standard_with(*items)
    )
    # The first has a right checksum (weighted sum 126, 126 mod 11 = 5, so 7) and a listed kind; the others lack one of both.
    assert table.column("XM").to_pylist() == [hashed("张三"), "张三", "张三"]


def test_the_same_number_masks_alike_in_every_item_of_its_class(tmp_path):
    items = [
        *ITEMS[:3],
        DataItem("ZJHM", {}, "text", 50, privacy="id_number"),
        DataItem("DH", {}, "text", 50, privacy="id_number"),
        *ITEMS[5:],
    ]
    _, table = run(tmp_path, [client(number="110101199001011237", phone="110101199001011237")], standard_with(*items))
    assert table.column("ZJHM").to_pylist() == table.column("DH").to_pylist()


def test_many_batches_give_the_same_as_one_and_the_same_bytes_again(tmp_path, monkeypatch):
    rows = [client(f"名{n % 7}", ["个人客户", "团体客户", None][n % 3], f"{n:018d}") for n in range(2_500)]
    counts, whole = run(tmp_path, rows)
    monkeypatch.setattr("etl.privacy.mask.BATCH_ROWS", 333)
    again, pieces = run(tmp_path, rows, name="pieces.parquet")
    assert counts == again and counts.rows == 2_500 and pieces.equals(whole)
    first = (tmp_path / "pieces.parquet").read_bytes()
    run(tmp_path, rows, name="pieces.parquet")
    assert (tmp_path / "pieces.parquet").read_bytes() == first


def test_an_empty_table(tmp_path):
    counts, table = run(tmp_path, [])
    assert (
        counts == MaskCounts("KH", 0, {"XM": 0, "ZJHM": 0, "DH": 0}) and table.num_rows == 0 and table.num_columns == 10
    )


def test_faults_leave_no_file(tmp_path):
    standard = standard_with(*ITEMS, masking={"name": MASKING["name"]})
    with pytest.raises(MaskingUndefined, match="id_number"):
        run(tmp_path, [client()], standard)
    broken = standard_with(DataItem("XM", {}, "text", 64, privacy="name", privacy_when="NOPE = 1"), *ITEMS[2:])
    with pytest.raises(ExpressionBroken, match="NOPE"):
        run(tmp_path, [client()], broken)
    with pytest.raises(MaskSourceUnfit, match="ZWM"):
        run(tmp_path, [client()], standard_with(DataItem("ZWM", {}, "text", 64, privacy="name"), *ITEMS))
    assert [p.name for p in tmp_path.iterdir()] == ["clear.parquet"]
