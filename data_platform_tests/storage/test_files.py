import re

from hypothesis import example, given
from hypothesis import strategies as st

from data_platform.storage.files import new_file_name


@given(st.text())
@example("Île-de-France")
@example("#1")
@example(".hidden")
@example("_")
@example("key" * 80)
@example("")
def test_a_data_files_name_is_safe_whatever_the_partition_is_called(key: str) -> None:
    name = new_file_name(key)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*\.parquet", name)
    assert len(name) <= 110
    assert new_file_name(key) != name


def test_a_data_files_name_tells_its_partition() -> None:
    assert new_file_name("2011-03-04").startswith("2011-03-04-")
    assert new_file_name("2011-03-04-05:00|leeds").startswith("2011-03-04-05_00_leeds-")
    assert new_file_name("Île-de-France").startswith("le-de-France-")
    assert new_file_name("").startswith("all-")
