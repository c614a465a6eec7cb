"""The ways in which a recording may come: all together, span by span, backwards, twice, the log records last."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from greenflash_otel.ingest.ingest import Ingest
from tests.api.wire import ADDRESS
from tests.fidelity.corpus import Recording
from tests.fidelity.foreign import Arrived, Score, score

Way = Callable[[Ingest, Recording], None]
"""Delivers a recording."""


def together(intake: Ingest, recording: Recording) -> None:
    """The log records in one request, and all spans in another."""
    intake.take_logs(recording.logs)
    intake.take(recording.spans)


def one_by_one(intake: Ingest, recording: Recording) -> None:
    """Each span and each log record in a request of its own."""
    for log in recording.logs:
        intake.take_logs([log])
    for span in sorted(recording.spans, key=lambda span: span.end_ns):
        intake.take([span])


def logs_last(intake: Ingest, recording: Recording) -> None:
    """The log records when all spans are there."""
    intake.take(recording.spans)
    for log in recording.logs:
        intake.take_logs([log])


def backwards(intake: Ingest, recording: Recording) -> None:
    """In one request, the last first."""
    intake.take_logs(tuple(reversed(recording.logs)))
    intake.take(tuple(reversed(recording.spans)))


def twice(intake: Ingest, recording: Recording) -> None:
    """Everything delivered again."""
    for _ in range(2):
        together(intake, recording)


MEASURED: Mapping[str, Way] = {
    "together": together,
    "span by span": one_by_one,
    "backwards": backwards,
    "twice": twice,
}
"""The ways of `docs/conventions.md`, by the name that the page gives them."""


def score_way(recording: Recording, way: Way) -> Score:
    """How a recording fares that comes in one way."""
    arrived = Arrived()
    intake = Ingest(arrived, ADDRESS)
    way(intake, recording)
    intake.emit_all_waiting()
    return score(recording, arrived)
