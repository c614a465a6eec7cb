"""Report every part of `Stats` as OpenTelemetry metrics. Costs nothing without a meter provider.

``greenflash.items.accepted = delivered + pending + rejected + lost``, summed over all pipelines of the
process; ``lost`` by its reason. The instruments are made once: OpenTelemetry cannot take them back.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from greenflash_otel import internal_errors
from greenflash_otel.delivery.stats import Pause, Stats, add_process_counts

METER: Final = "greenflash_otel"
REASON: Final = "greenflash.reason"
DESTINATION: Final = "greenflash.destination"
STEP: Final = "greenflash.step"


@dataclass(frozen=True, slots=True)
class Totals:
    """The stats of a process: those of all its pipelines together."""

    stats: Stats
    """Its `paused` is not used."""
    pauses: tuple[Pause, ...]


Read = Callable[[Totals], Iterable[Observation]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, and how its values are read."""

    name: str
    kind: Literal["counter", "up_down_counter", "gauge"]
    unit: str
    meaning: str
    read: Read


def _make_reader(read: Callable[[Stats], int]) -> Read:
    return lambda totals: [Observation(read(totals.stats))]


def _observe_lost(totals: Totals) -> Iterable[Observation]:
    return [Observation(count, {REASON: reason}) for reason, count in totals.stats.lost.items()]


def _observe_errors(totals: Totals) -> Iterable[Observation]:
    return [Observation(count, {STEP: step}) for step, count in totals.stats.internal_errors.items()]


def _observe_paused(totals: Totals) -> Iterable[Observation]:
    """Return a value for each pipeline that pauses; a zero without attributes if none does, so that alerts end."""
    paused = [
        Observation(1, {REASON: pause.reason, DESTINATION: pause.destination}) for pause in set(totals.pauses)
    ]
    return paused or [Observation(0)]


METRICS: Final = (
    Metric(
        "greenflash.items.accepted",
        "counter",
        "{item}",
        "All that was to be delivered, whatever became of it.",
        _make_reader(lambda stats: stats.accepted),
    ),
    Metric(
        "greenflash.items.delivered",
        "counter",
        "{item}",
        "Greenflash has accepted it.",
        _make_reader(lambda stats: stats.delivered),
    ),
    Metric(
        "greenflash.items.sampled_out",
        "counter",
        "{item}",
        "Part of what was delivered: Greenflash chose not to keep it.",
        _make_reader(lambda stats: stats.sampled_out),
    ),
    Metric(
        "greenflash.items.pending",
        "up_down_counter",
        "{item}",
        "Waits in the outbox.",
        _make_reader(lambda stats: stats.pending),
    ),
    Metric(
        "greenflash.items.rejected",
        "up_down_counter",
        "{item}",
        "Refused for good; stored in the outbox with the reason.",
        _make_reader(lambda stats: stats.rejected),
    ),
    Metric("greenflash.items.lost", "counter", "{item}", "Could not be stored, by reason.", _observe_lost),
    Metric(
        "greenflash.items.unlinked",
        "counter",
        "{item}",
        "Outcomes and ratings that found no conversation or message; delivered without.",
        _make_reader(lambda stats: stats.unlinked),
    ),
    Metric(
        "greenflash.items.repaired",
        "counter",
        "{item}",
        "Things whose arguments were repaired before they were delivered.",
        _make_reader(lambda stats: stats.repaired),
    ),
    Metric(
        "greenflash.items.unread",
        "counter",
        "{item}",
        "Inputs of LangChain that were delivered as JSON: nothing said what of it the user said.",
        _make_reader(lambda stats: stats.unread),
    ),
    Metric(
        "greenflash.items.waiting",
        "up_down_counter",
        "{item}",
        "Stored spans that wait for a name that may arrive late.",
        _make_reader(lambda stats: stats.waiting),
    ),
    Metric(
        "greenflash.paused",
        "gauge",
        "{destination}",
        "1 while nothing is sent to a destination, with the reason.",
        _observe_paused,
    ),
    Metric(
        "greenflash.internal_errors",
        "counter",
        "{error}",
        "Failures of this library in this process, by step.",
        _observe_errors,
    ),
)


class StatsSource(Protocol):
    """What has its own counts: a pipeline."""

    def own_stats(self) -> Stats:
        """Return the counts at this moment, without those of the process."""
        ...


_sources: weakref.WeakSet[StatsSource] = weakref.WeakSet()
_made: list[object] = []
_making = threading.Lock()


class _Moment:
    """The counts of all pipelines at the moment when a reading began, so that its metrics add up.

    OpenTelemetry reads each metric separately and does not say which reading it belongs to. So a metric that is
    read a second time begins the next reading.
    """

    def __init__(self) -> None:
        self._totals = Totals(Stats(), ())
        self._reported: set[str] = set()

    def read_totals(self, metric: str) -> Totals:
        if metric in self._reported or not self._reported:
            self._totals = sum_stats([source.own_stats() for source in list(_sources)])
            self._reported = set()
        self._reported.add(metric)
        return self._totals


def sum_stats(several: Iterable[Stats]) -> Totals:
    """Sum up the stats of several pipelines, and add the counts of the process once."""
    summed, pauses = Stats(), []
    for stats in several:
        lost = dict(summed.lost)
        for reason, count in stats.lost.items():
            lost[reason] = lost.get(reason, 0) + count
        summed = Stats(
            accepted=summed.accepted + stats.accepted,
            delivered=summed.delivered + stats.delivered,
            sampled_out=summed.sampled_out + stats.sampled_out,
            pending=summed.pending + stats.pending,
            waiting=summed.waiting + stats.waiting,
            rejected=summed.rejected + stats.rejected,
            lost=lost,
        )
        if stats.paused is not None:
            pauses.append(stats.paused)
    return Totals(add_process_counts(summed), tuple(pauses))


def report(source: StatsSource) -> None:
    """Include a pipeline in what is reported, for as long as it lives."""
    _sources.add(source)
    with _making, internal_errors.guarded("make metrics"):
        if not _made:
            _make()


def _make() -> None:
    meter, moment = metrics.get_meter(METER), _Moment()
    _made.extend(_instrument(meter, metric, _make_callback(moment, metric)) for metric in METRICS)


def _make_callback(moment: _Moment, metric: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda options: metric.read(moment.read_totals(metric.name))


def _instrument(
    meter: Meter, metric: Metric, callback: Callable[[CallbackOptions], Iterable[Observation]]
) -> object:
    if metric.kind == "counter":
        return meter.create_observable_counter(metric.name, [callback], metric.unit, metric.meaning)
    if metric.kind == "gauge":
        return meter.create_observable_gauge(metric.name, [callback], metric.unit, metric.meaning)
    return meter.create_observable_up_down_counter(metric.name, [callback], metric.unit, metric.meaning)
