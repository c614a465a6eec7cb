"""The counts of `Stats` as OpenTelemetry metrics, for whoever has a meter provider. Costs nothing without.

``greenflash.items.accepted = delivered + pending + rejected + lost``, summed over all pipelines of the
process; ``lost`` by its reason. The instruments are made once: OpenTelemetry cannot take them back.
"""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from greenflash_otel import internal_errors
from greenflash_otel.delivery.stats import Stats

METER: Final = "greenflash_otel"
UNIT: Final = "{item}"
PREFIX: Final = "greenflash.items."
REASON: Final = "greenflash.reason"

Read = Callable[[Stats], int]

_COUNTERS: Final[dict[str, tuple[Read, str]]] = {
    "accepted": (lambda stats: stats.accepted, "All that was to be delivered, whatever became of it."),
    "delivered": (lambda stats: stats.delivered, "Greenflash has answered for it."),
}
_GAUGES: Final[dict[str, tuple[Read, str]]] = {
    "pending": (lambda stats: stats.pending, "Waits in the outbox."),
    "rejected": (lambda stats: stats.rejected, "Refused for good; kept in the outbox with the reason."),
}


class Counts(Protocol):
    """What has counts: a pipeline."""

    def stats(self) -> Stats:
        """The counts as they stand."""
        ...


_sources: weakref.WeakSet[Counts] = weakref.WeakSet()
_made: list[object] = []
_making = threading.Lock()


class _Moment:
    """The counts of all pipelines as they stood when a reading began, so that its metrics add up.

    OpenTelemetry asks for each metric by itself and does not say which reading it belongs to: a metric that
    asks a second time begins the next one.
    """

    def __init__(self) -> None:
        self._stats: list[Stats] = []
        self._asked: set[str] = set()

    def stats(self, metric: str) -> list[Stats]:
        if metric in self._asked or not self._asked:
            self._stats = [source.stats() for source in list(_sources)]
            self._asked = set()
        self._asked.add(metric)
        return self._stats


def report(source: Counts) -> None:
    """Include a pipeline in what is reported, for as long as it lives."""
    _sources.add(source)
    with _making, internal_errors.guarded("make metrics"):
        if not _made:
            _make()


def _make() -> None:
    meter, moment = metrics.get_meter(METER), _Moment()
    for name, (read, meaning) in _COUNTERS.items():
        asked = _sum(moment, name, read)
        _made.append(meter.create_observable_counter(PREFIX + name, [asked], UNIT, meaning))
    for name, (read, meaning) in _GAUGES.items():
        asked = _sum(moment, name, read)
        _made.append(meter.create_observable_up_down_counter(PREFIX + name, [asked], UNIT, meaning))
    lost = "Could not be kept, by reason."
    _made.append(meter.create_observable_counter(f"{PREFIX}lost", [_lost(moment)], UNIT, lost))


def _sum(moment: _Moment, metric: str, read: Read) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda options: [Observation(sum(map(read, moment.stats(metric))))]


def _lost(moment: _Moment) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(options: CallbackOptions) -> Iterable[Observation]:
        lost: Counter[str] = Counter()
        for stats in moment.stats("lost"):
            lost.update(stats.lost)
        return [Observation(count, {REASON: reason}) for reason, count in lost.items()]

    return read
