"""What a conversion needs around it: where its requests go, and how the failure of one span is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Protocol

from greenflash_otel import internal_errors
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.state_record import StateRecord

CONVERSION_FAILED = "conversion_failed"


class StateStore(Protocol):
    """Where requests go: the outbox."""

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = ...
    ) -> Sequence[ApiRequest]:
        """Keep requests; they are safe once this returns. Return those that were refused.

        Args:
            notes: Stored with them, or not at all.
            converted_id: Spans that the store has up to this id go with them.

        Raises:
            Exception: A vital note could not be stored; then nothing is.
        """
        ...


class Converting(internal_errors.guarded):
    """Let the conversion of one span fail without the others; count it as lost by this ingest."""

    __slots__ = ("_counters",)

    def __init__(self, *counters: Counter[str]) -> None:
        super().__init__("convert a span")
        self._counters = counters

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        has_failed = super().__exit__(type, error, traceback)
        if has_failed:
            for counter in self._counters:
                counter[CONVERSION_FAILED] += 1
        return has_failed
