import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.privacy.display import SHAPES, display_sql, display_value
from etl.standard.loader import PRIVACY_CLASSES


@pytest.mark.parametrize(
    "privacy, text, shown",
    [
        ("name", "张三", "张**"),
        ("name", "欧阳修文", "欧**"),
        ("name", "张", "**"),
        ("name", "", "**"),
        ("name", "\U00020000三", "\U00020000**"),
        ("id_number", "110101199001011237", "110***37"),
        ("id_number", "G1234567", "G12***67"),
        ("id_number", "1234567", "*******"),
        ("id_number", "", ""),
        ("phone", "13812345678", "138****5678"),
        ("phone", "021-12345678", "021****5678"),
        ("phone", "12345678", "********"),
        ("account", "6222021234567890", "6222****7890"),
        ("account", "62220212345", "***********"),
        ("email", "someone@example.cn", "s***@example.cn"),
        ("email", "a@b", "a***@b"),
        ("email", "@b", "***@b"),
        ("email", "none", "***"),
        ("email", "a@b@c", "a***@b@c"),
        ("address", "上海市浦东新区", "上海市***"),
        ("address", "上海市", "***"),
        ("unheard_of", "张三", "***"),
        (None, "公开", "公开"),
        ("name", None, None),
    ],
)
def test_what_people_see(privacy, text, shown):
    assert display_value(privacy, text) == shown


def test_values_that_stand_for_nobody_are_shown():
    assert display_value("name", "未记录", keep={"未记录"}) == "未记录"
    assert display_value("name", "未记录") == "未**"


def test_every_privacy_class_of_the_standards_has_a_shape():
    assert set(PRIVACY_CLASSES) == set(SHAPES) | {"email"}


@pytest.fixture(scope="module")
def connection():
    return duckdb.connect()


TEXTS = (
    st.none()
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=25)
    | st.text("0123456789X@张\U00020000é'-", max_size=25)
)


@settings(max_examples=150, deadline=None)
@given(values=st.lists(TEXTS, min_size=1, max_size=20), keep=st.sets(st.sampled_from(["未记录", "000000", "it's"])))
@pytest.mark.parametrize("privacy", [*PRIVACY_CLASSES, "unheard_of", None])
def test_sql_and_python_show_the_same(connection, privacy, values, keep):
    values = [*values, "未记录", "it's"]
    sql = display_sql(privacy, "v", keep)
    found = connection.execute(f"SELECT {sql} FROM (SELECT unnest(?::VARCHAR[]) AS v)", [values]).fetchall()
    assert [row[0] for row in found] == [display_value(privacy, value, keep) for value in values]
