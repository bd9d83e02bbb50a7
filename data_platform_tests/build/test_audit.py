from data_platform.build.audit import held_back
from data_platform.quality.findings import Finding


def _finding(
    check: str, *, passed: bool = False, blocking: bool = True, key: str | None = "a"
) -> Finding:
    return Finding(check, passed, blocking, f"{check} is wrong", partition=key)


def test_a_failed_blocking_check_holds_its_partition_back() -> None:
    found = held_back(
        [
            _finding("rules"),
            _finding("volume", key="b", blocking=False),
            _finding("rules", key="c", passed=True),
        ]
    )

    assert found == {"a": "rules: rules is wrong"}


def test_all_reasons_of_a_partition_are_given() -> None:
    found = held_back([_finding("conservation"), _finding("rules")])

    assert found == {"a": "conservation: conservation is wrong; rules: rules is wrong"}


def test_a_check_of_the_whole_run_holds_no_partition_back() -> None:
    assert held_back([_finding("rules", key=None)]) == {}


def test_a_table_without_partitions_is_held_back_as_a_whole() -> None:
    assert set(held_back([_finding("rules", key="")])) == {""}
