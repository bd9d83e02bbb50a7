"""`metrics` prints the values, and sends them only where it is told to."""

from data_platform.telemetry import otlp
from data_platform_tests.support.command_line import Run, parsed
from data_platform_tests.support.homes import SILVER
from data_platform_tests.support.loaded_shop import LoadedShop
from data_platform_tests.support.queues import eventually
from tools.collector import Collector


def test_the_values_are_printed_of_the_metrics_that_are_named(run: Run, shop: LoadedShop) -> None:
    found = parsed(run("metrics", "row_count", "--json"))

    rows = {each["labels"]["table"]: each["value"] for each in found}
    assert {each["metric"] for each in found} == {"pipeline.row_count"}
    assert rows[SILVER] == shop.home.read(SILVER).num_rows > 0
    assert f"table={SILVER}" in run("metrics", "row_count").output


def test_they_are_sent_on_request_alone(
    run: Run, shop: LoadedShop, collector: Collector, exported
) -> None:
    exported(collector.endpoint)
    printed = parsed(run("metrics", "--json"))
    otlp.stop()
    assert collector.points() == []

    run("metrics", "--send")
    otlp.stop()

    eventually(lambda: bool(collector.points()))
    sent = {(each.name, *sorted(each.labels.items())) for each in collector.points()}
    assert sent == {(each["metric"], *sorted(each["labels"].items())) for each in printed}


def test_without_a_collector_to_send_to_there_is_a_way_out(
    run: Run, shop: LoadedShop, exported
) -> None:
    assert "set OTEL_EXPORTER_OTLP_ENDPOINT" in run("metrics", "--send", code=1).output
