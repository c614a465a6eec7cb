"""Render the page ``/metrics``, in Prometheus' formats.

It needs no token, so that a scraper needs none. What a stranger sees is a decision: the sums over all
products, which say whether the gateway is well. Which products there are, the counts of each, and where
they are delivered is seen only with a token of theirs; and by everybody if no token is asked for, because
anybody may send then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from greenflash_otel import internal_errors
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.gateway.receiver import OtlpReceiver, RequestMetadata

metrics_core: Any = import_module("prometheus_client.core")
exposition: Any = import_module("prometheus_client.exposition")

PLAIN = "text/plain; version=0.0.4"


class _Families:
    """Collects metrics once, as prometheus_client asks for them."""

    def __init__(self, families: Iterable[Any]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Any]:
        return iter(self._families)


def render_metrics(receiver: OtlpReceiver, metadata: RequestMetadata, accept: str) -> tuple[bytes, str]:
    """Return the page and its media type.

    Without an ``Accept`` that names a format, as of a person with curl, it has the numbers alone.
    """
    stats, visible = receiver.stats(), set(receiver.list_visible_products(metadata))
    by_product = {name: counts for name, counts in stats.items() if name in visible}
    hidden = [counts for name, counts in stats.items() if name not in visible]
    families = _Families([*_make_item_families(by_product, hidden), *_process_families(receiver)])
    if "text/plain" in accept or "openmetrics" in accept:
        encode, media_type = exposition.choose_encoder(accept)
        return encode(families), media_type
    lines = exposition.generate_latest(families).splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"#")), PLAIN


def _make_item_families(by_product: Mapping[str, Stats], hidden: Iterable[Stats]) -> Iterator[Any]:
    """Yield what became of everything: by product where it may be seen, else as a sum."""
    counted = [((name,), counts) for name, counts in by_product.items()]
    hidden = list(hidden)
    if hidden:
        counted.append((("",), _sum(hidden)))
    counter, gauge = metrics_core.CounterMetricFamily, metrics_core.GaugeMetricFamily
    for name, kind, about, read in (
        ("accepted", counter, "All that was to be delivered.", lambda counts: counts.accepted),
        ("delivered", counter, "Greenflash has accepted it.", lambda counts: counts.delivered),
        ("pending", gauge, "It waits in the outbox.", lambda counts: counts.pending),
        ("rejected", gauge, "Greenflash refused it for good.", lambda counts: counts.rejected),
        (
            "waiting",
            gauge,
            "Spans that wait for a name that may arrive late.",
            lambda counts: counts.waiting,
        ),
        ("paused", gauge, "1 while nothing is sent.", lambda counts: int(counts.paused is not None)),
    ):
        prefix = "greenflash_delivery_" if name == "paused" else "greenflash_items_"
        family = kind(prefix + name, about, labels=["product"])
        for labels, counts in counted:
            family.add_metric(labels, read(counts))
        yield family
    lost = counter("greenflash_items_lost", "Could not be stored.", labels=["product", "reason"])
    since = gauge(
        "greenflash_delivery_paused_since_seconds", "Unix time.", labels=["product", "reason", "destination"]
    )
    for labels, counts in counted:
        for reason, number in counts.lost.items():
            lost.add_metric([*labels, reason], number)
        if counts.paused is not None and labels != ("",):
            since.add_metric(
                [*labels, counts.paused.reason, counts.paused.destination], counts.paused.since.timestamp()
            )
    yield from (lost, since)


def _sum(stats: Iterable[Stats]) -> Stats:
    """Add up counts; the sum is paused where one is."""
    stats, lost = list(stats), Counter[str]()
    for counts in stats:
        lost.update(counts.lost)
    return Stats(
        accepted=sum(counts.accepted for counts in stats),
        delivered=sum(counts.delivered for counts in stats),
        pending=sum(counts.pending for counts in stats),
        rejected=sum(counts.rejected for counts in stats),
        waiting=sum(counts.waiting for counts in stats),
        lost=lost,
        paused=next((counts.paused for counts in stats if counts.paused), None),
    )


def _process_families(receiver: OtlpReceiver) -> Iterator[Any]:
    """Yield what is counted for the whole process."""
    counter = metrics_core.CounterMetricFamily
    counts = internal_errors.get_counts()
    for name, about, label, numbers in (
        ("records_lost", "Spans and log records that could not be converted.", "reason", counts.lost),
        (
            "records_unused",
            "Spans and log records that say nothing here.",
            "reason",
            receiver.count_unused(),
        ),
        ("internal_errors", "Failures of the gateway's own.", "step", counts.errors),
    ):
        family = counter(f"greenflash_{name}", about, labels=[label])
        for reason, number in dict(numbers).items():
            family.add_metric([reason], number)
        yield family
    yield counter("greenflash_unlinked", "Outcomes that found no conversation.", value=counts.unlinked)
    yield counter(
        "greenflash_records_repaired", "Records of which a part was repaired.", value=counts.repaired
    )
