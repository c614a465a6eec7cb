"""Where the golden spans come from: recordings of others, recorded traffic, scripted applications."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from greenflash_otel.gateway import otlp
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.instrumentation import langchain
from greenflash_otel.instrumentation import openai as openai_sdk
from greenflash_otel.model.telemetry import AttributeValue, LogRecord, SpanRecord
from tests.fidelity import corpus, paths
from tests.fidelity.applications import APPLICATIONS
from tests.fidelity.talks import Script
from tests.golden.capture import CountedSpans, counted_time
from tests.golden.conversion import Process, State
from tests.golden.scripts import SCRIPTS
from tests.instrumentation.openai import recordings
from tests.instrumentation.openai.spans import Spans

DATA = Path(__file__).parents[1] / "data" / "golden"
"""More recordings: of others' spans by producer, of traffic by the project that recorded it."""
NAMES = ("amber", "birch")
"""The conversations of an application, which take place at the same time."""


@dataclass
class Case:
    """What one recording or application becomes."""

    name: str
    requests: list[ApiRequest] = field(default_factory=list)
    records: list[tuple[str, str]] = field(default_factory=list)
    """Key and text of each state record."""
    attributes: dict[str, str] = field(default_factory=dict)
    """Type by name, of the attributes of our own spans."""


Source = Callable[[], Iterator[Case]]


def sources() -> dict[str, Source]:
    """All sources by name."""
    found: dict[str, Source] = {}
    for producer in sorted({*_producers(), *(path.stem for path in (DATA / "spans").glob("*.jsonl"))}):
        found[f"spans/{producer}"] = functools.partial(_foreign, producer)
    found["openai/ours"] = lambda: map(_played, _ours())
    for path in sorted((DATA / "openai").glob("*.jsonl")):
        found[f"openai/{path.stem}"] = functools.partial(_traffic, path)
    for name in paths.PATHS:
        if name != paths.HANDLER_ALONE:  # its bodies are those of LangChain
            found[f"applications/{name}"] = functools.partial(_applications, name)
    found["langchain/scripts"] = lambda: map(_script, SCRIPTS)
    return found


def _lines(path: Path) -> Iterator[Any]:
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


# --- spans of others -------------------------------------------------------------------------------


def _producers() -> Iterator[str]:
    return (path.name for path in corpus.OURS.iterdir() if path.is_dir() and path.name != "_texts")


def _foreign(producer: str) -> Iterator[Case]:
    for path in sorted((corpus.OURS / producer).glob("*.json")):
        if not path.name.endswith(".logs.json"):
            logs = path.with_suffix(".logs.json")
            more = json.loads(logs.read_bytes()) if logs.exists() else None
            yield _converted(path.stem, path.read_bytes(), more)
    for line in _lines(DATA / "spans" / f"{producer}.jsonl"):
        yield _converted(line["scenario"], json.dumps(line["spans"]).encode(), line["logs"])


def _converted(name: str, spans: bytes, logs: Any) -> Case:
    records = otlp.read_json(spans).records
    return _convert(name, records, tuple(corpus.logs_of(logs)) if logs else ())


def _convert(name: str, spans: Iterable[SpanRecord], logs: Iterable[LogRecord] = ()) -> Case:
    process = Process()
    process.take(spans, logs)
    process.settle()
    return Case(name, process.requests, process.state.written)


# --- our own capture -------------------------------------------------------------------------------


def _ours() -> Iterator[tuple[str, Any]]:
    for path in sorted(recordings.OURS.glob("*.json")):
        yield path.stem, json.loads(path.read_bytes())


def _traffic(path: Path) -> Iterator[Case]:
    for line in _lines(path):
        yield _played((line["recording"], line))


def _played(told: tuple[str, Any]) -> Case:
    """Recorded traffic, replayed through the real client, in one process; nobody names a conversation."""
    name, recording = told
    case, spans, process = Case(name), CountedSpans(), Process()
    openai_sdk.instrument(spans.tracer)
    try:
        with counted_time():
            for call in recordings.calls_of(recording):
                recordings.replay(call)
                _watch(case, process, spans)
    finally:
        openai_sdk.uninstrument()
    return _end(case, process)


def _script(name: str) -> Case:
    """A program of LangChain's."""
    case, spans, process = Case(name), CountedSpans(), Process()
    langchain.instrument(spans.tracer, history="new", chains=name.endswith("with chains"))
    try:
        with counted_time():
            for _ in SCRIPTS[name]():
                _watch(case, process, spans)
    finally:
        langchain.uninstrument()
    return _end(case, process)


def _watch(case: Case, process: Process, spans: CountedSpans) -> None:
    records = spans.take()
    case.attributes |= attributes_of(records)
    process.take(records)


def _end(case: Case, process: Process) -> Case:
    process.settle()
    case.requests, case.records = process.requests, process.state.written
    return case


def attributes_of(records: Iterable[SpanRecord]) -> Mapping[str, str]:
    """The type of each attribute."""
    return {name: _type(value) for record in records for name, value in record.attributes.items()}


def _type(value: AttributeValue) -> str:
    return f"list of {_type(value[0])}" if isinstance(value, tuple) and value else type(value).__name__


# --- the fidelity applications ---------------------------------------------------------------------


def _applications(path: str) -> Iterator[Case]:
    for name, application in APPLICATIONS.items():
        scripts = {chat: application(chat) for chat in NAMES}
        if paths.can(path, list(scripts.values())):
            yield _talk(name, scripts, paths.PATHS[path])


def _talk(name: str, scripts: Mapping[str, Script], way: paths.Way) -> Case:
    one = next(iter(scripts.values()))
    processes = Processes(Case(name), one.killed, one.forgets)
    with counted_time():
        paths.talk(scripts, way, processes, CountedSpans())
    return processes.case


class Processes:
    """The processes of an application.

    Args:
        killed: Whether a new one means that the one before was killed.
        forgets: Whether it then finds nothing of the one before.
    """

    def __init__(self, case: Case, killed: bool, forgets: bool) -> None:
        self.case = case
        self._killed, self._forgets = killed, forgets
        self._state = State()
        self._all: dict[int, Process] = {}

    def take(self, number: int, spans: Spans) -> None:
        """Convert what came of a call."""
        assert isinstance(spans, CountedSpans)
        if number not in self._all:
            self._begin(number)
        records = spans.take()
        self.case.attributes |= attributes_of(records)
        process = self._all[number]
        count = len(process.requests)
        process.take(records)
        self.case.requests += process.requests[count:]

    def settle(self) -> None:
        """The processes end."""
        for process in self._all.values():
            count = len(process.requests)
            process.settle()
            self.case.requests += process.requests[count:]
            self._remember(process)

    def _begin(self, number: int) -> None:
        if self._killed:
            for process in self._all.values():
                self._remember(process)
            self._all.clear()
        carried = self._killed and not self._forgets
        self._all[number] = Process(self._state if carried else None)

    def _remember(self, process: Process) -> None:
        self.case.records += process.state.written
        process.state.written = []
