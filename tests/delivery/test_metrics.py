"""The counts as OpenTelemetry metrics: in every reading they add up."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields
from datetime import datetime, timezone

import pytest
from opentelemetry import metrics as otel_metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric, NumberDataPoint

from greenflash_otel import internal_errors
from greenflash_otel.delivery import metrics
from greenflash_otel.delivery.delivery import Delivery
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.stats import Ledger, Pause, Stats
from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.request import ApiRequest
from tests.delivery.fakes import SUCCESS, Wire, ids_of, messages
from tests.delivery.making import make_delivery
from tests.delivery.processes import output_of
from tests.delivery.test_delivery import LONG_S

Read = Callable[[], dict[str, int]]
"""Reads all metrics once: their values by name, ``lost`` with its reason behind it."""


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[Read]:
    """Metrics as a process has them that has just begun, and a reader."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(otel_metrics, "get_meter", provider.get_meter)
    monkeypatch.setattr(metrics, "_made", [])
    monkeypatch.setattr(metrics, "_sources", weakref.WeakSet())
    yield lambda: {name: value for metric in _metrics(reader) for name, value in _values(metric)}
    provider.shutdown()


def _metrics(reader: InMemoryMetricReader) -> list[Metric]:
    data = reader.get_metrics_data()
    scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
    assert {scope.scope.name for scope in scopes} <= {"greenflash_otel"}
    return [metric for scope in scopes for metric in scope.metrics]


def _values(metric: Metric) -> Iterator[tuple[str, int]]:
    name = metric.name.removeprefix("greenflash.").removeprefix("items.")
    assert metric.unit == {"paused": "{destination}", "internal_errors": "{error}"}.get(name, "{item}")
    for point in metric.data.data_points:
        assert isinstance(point, NumberDataPoint)
        attributes = " ".join(str(value) for value in (point.attributes or {}).values())
        yield f"{name} {attributes}".strip(), int(point.value)


def adds_up(values: dict[str, int]) -> bool:
    """The promise."""
    lost = sum(value for name, value in values.items() if name.startswith("lost "))
    return values["accepted"] == values["delivered"] + values["pending"] + values["rejected"] + lost


class Fixed:
    """Counts that stay as they are."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats

    def own_stats(self) -> Stats:
        """Those."""
        return self._stats


class OfDelivery:
    """The counts of a delivery, as its pipeline reports them."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def own_stats(self) -> Stats:
        """Those."""
        return self._delivery.stats()


class Moving:
    """Counts that are others each time somebody looks, and that add up each time."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    def own_stats(self) -> Stats:
        """Two more accepted; some delivered, refused and lost."""
        self.ledger.accept(2)
        self.ledger.deliver(1, sampled_out=False)
        self.ledger.reject(1)
        self.ledger.accept(1)
        self.ledger.lose(1, "outbox_full")
        return self.ledger.stats()


def test_one_reading_is_of_one_moment(read: Read) -> None:
    """Although each metric is asked for by itself, and the counts move on meanwhile."""
    sources = [Moving(), Moving()]
    for source in sources:
        metrics.report(source)
    readings = [read() for _ in range(5)]
    assert all(adds_up(values) for values in readings)
    assert [values["accepted"] for values in readings] == [8, 16, 24, 32, 40]


def test_whatever_happens_to_an_item_it_is_counted_once(read: Read) -> None:
    """Delivered, refused for good, waiting, refused by a full queue: at every step the sum holds."""

    refusals = {"b": Answer(400, b'{"message":"no"}'), "h": Answer(401, b'{"message":"no key"}')}

    counted = threading.Event()

    def answer(request: ApiRequest) -> Answer:
        assert counted.wait(LONG_S)
        assert adds_up(read())
        [id] = ids_of(request)
        return refusals.get(id[0], SUCCESS)

    with closing(Outbox(":memory:", limit_bytes=400_000)) as outbox:
        worker = make_delivery(outbox, Wire(answer), gather=lambda batch: None)
        metrics.report(source := OfDelivery(worker))
        outbox.put([messages(f"{i}", f"{'bgg'[i % 3]}{i}") for i in range(10)])
        outbox.put([messages("large", f"{i}", size=100_000) for i in range(5)])
        values = read()
        assert (values["accepted"], values["pending"], values["lost outbox_full"]) == (15, 13, 2)
        counted.set()
        worker.flush(LONG_S)
        outbox.put([messages("held", "h")])
        assert not worker.flush(LONG_S)
        worker.close(1.0)
        assert not worker.submit("late")
        assert source.own_stats().accepted == 17
        assert {name: value for name, value in read().items() if value} == {
            "accepted": 17,
            "delivered": 9,
            "pending": 1,
            "rejected": 4,
            "lost outbox_full": 2,
            "lost closed": 1,
            "paused HTTP 401: no key; check GREENFLASH_API_KEY": 1,
        }


def test_a_pipeline_that_is_gone_is_not_kept_alive(read: Read) -> None:
    """Nor counted any more."""
    source = Moving()
    metrics.report(source)
    assert read()["accepted"] == 4
    del source
    assert read()["accepted"] == 0


def test_the_instruments_are_made_once(read: Read) -> None:
    """However many pipelines report; the SDK would warn of a second one of the same name."""
    sources = [Moving() for _ in range(3)]
    for source in sources:
        metrics.report(source)
    assert set(read()) == {
        *("accepted", "delivered", "sampled_out", "pending", "rejected", "lost outbox_full"),
        *("unlinked", "repaired", "unread", "waiting", "paused"),
    }


def test_what_is_counted_for_the_process_is_there_once(read: Read) -> None:
    """However many pipelines there are: our own failures, and what was lost before any of them had it."""
    sources = [Moving(), Moving()]
    for source in sources:
        metrics.report(source)
    internal_errors.count("do a thing", ValueError(), lost="conversion_failed")
    internal_errors.count_lost("conversion_failed", 2)
    internal_errors.count_unlinked()
    internal_errors.count_repaired()
    values = read()
    assert adds_up(values)
    assert values["lost conversion_failed"] == 3
    assert (values["accepted"], values["internal_errors do a thing"]) == (8 + 3, 1)
    assert (values["unlinked"], values["repaired"], values["paused"]) == (1, 1, 0)


def test_every_destination_that_pauses_is_named(read: Read) -> None:
    """With its reason, once, and a zero when all is well again."""
    since = datetime(2026, 11, 21, tzinfo=timezone.utc)
    key = Pause("no API key", since, "https://a/api/v1")
    url = Pause("HTTP 404", since, "https://b/api/v1")
    sources = [Fixed(Stats(paused=pause)) for pause in (key, url, key, None)]
    for source in sources:
        metrics.report(source)
    paused = {name: value for name, value in read().items() if name.startswith("paused")}
    assert paused == {"paused no API key https://a/api/v1": 1, "paused HTTP 404 https://b/api/v1": 1}
    del sources[:3], source
    assert read()["paused"] == 0


def test_no_part_of_the_stats_is_left_out() -> None:
    """Who adds a field adds a metric."""
    names = {metric.name.rpartition(".")[2] for metric in metrics.METRICS}
    assert names == {field.name for field in fields(Stats)}


def test_lost_is_named(read: Read) -> None:
    """By the reasons that `stats` has, also those of the queue before the outbox."""
    worker = make_delivery(Outbox(":memory:"), None, gather=lambda batch: None)
    source = OfDelivery(worker)
    metrics.report(source)
    worker.close(1.0)
    assert not worker.submit("a")
    assert read()["lost closed"] == 1


def test_a_provider_that_comes_later_has_them_too() -> None:
    """`instrument()` may well be called before the application has set up its metrics."""
    script = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
import greenflash_otel
greenflash_otel.instrument(product_id="6a1d4b7e-9c51-4a57-8e9b-0f6f2f6f2a10", outbox=sys.argv[1])
greenflash_otel.record_rating(5, conversation_id="c")
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
[resource] = reader.get_metrics_data().resource_metrics
[scope] = resource.scope_metrics
for metric in scope.metrics:
    print(metric.name, *(point.value for point in metric.data.data_points))
"""
    assert output_of(script, ":memory:").splitlines() == [
        "greenflash.items.accepted 1",
        "greenflash.items.delivered 0",
        "greenflash.items.sampled_out 0",
        "greenflash.items.pending 1",
        "greenflash.items.rejected 0",
        "greenflash.items.unlinked 0",
        "greenflash.items.repaired 0",
        "greenflash.items.unread 0",
        "greenflash.items.waiting 0",
        "greenflash.paused 1",
    ]
