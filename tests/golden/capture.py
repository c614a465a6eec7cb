"""Spans of our own instrumentations, alike in every run: their ids and times are counted."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk import trace
from opentelemetry.sdk.trace.id_generator import IdGenerator

from greenflash_otel import instrumentation, own_spans
from greenflash_otel.model.telemetry import AttributeValue, SpanRecord
from tests.instrumentation.openai.spans import Spans

BEGIN_NS = 1_700_000_000_000_000_000
STEP_NS = 250_000_000
"""Between any two things that happen."""
MEASURED: Mapping[str, AttributeValue] = {"gen_ai.response.time_to_first_chunk": 0.25}
"""Attributes that hold a duration, and what they hold here."""
RUN = re.compile("run--[0-9a-f-]{36}")
"""The id that LangChain gives to an answer."""


class Counted(IdGenerator):
    """Ids one after the other."""

    def __init__(self) -> None:
        self._traces = self._spans = 0

    def generate_trace_id(self) -> int:
        self._traces += 1
        return 0xA0000000000000000000000000000000 + self._traces

    def generate_span_id(self) -> int:
        self._spans += 1
        return 0xB000000000000000 + self._spans


class Clock:
    """A clock that goes on by `STEP_NS` whenever one of our modules, or OpenTelemetry, asks for the time."""

    def __init__(self) -> None:
        self._now_ns = BEGIN_NS

    def time_ns(self) -> int:
        """Unix time in nanoseconds."""
        self._now_ns += STEP_NS
        return self._now_ns

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


@contextmanager
def counted_time() -> Iterator[None]:
    """Let every instrumentation of ours that uses the module ``time`` use a `Clock`."""
    clock: Any = Clock()
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(instrumentation.__path__, f"{instrumentation.__name__}.")
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "time_ns", clock.time_ns)
        patch.setattr(own_spans, "time", clock)
        for module in modules:
            if vars(module).get("time") is time:
                patch.setattr(module, "time", clock)
        yield


class CountedSpans(Spans):
    """Finished spans with counted ids; their times are counted within `counted_time`."""

    def __init__(self) -> None:
        super().__init__(Counted())
        self._runs: dict[str, str] = {}

    def take(self) -> list[SpanRecord]:
        """The spans that finished since this was last called."""
        records = [self._counted(record) for record in self.records()]
        self.clear()
        return records

    def _counted(self, one: SpanRecord) -> SpanRecord:
        attributes = {name: MEASURED.get(name, self._named(value)) for name, value in one.attributes.items()}
        return replace(one, attributes=attributes)

    def _named(self, value: AttributeValue) -> AttributeValue:
        return RUN.sub(self._name, value) if isinstance(value, str) else value

    def _name(self, found: re.Match[str]) -> str:
        return self._runs.setdefault(found[0], f"run--{len(self._runs):036}")
