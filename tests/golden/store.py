"""What was found, as lines of text: one per request, so that a diff says which message changed and how.

A line holds the digest of the body as it is sent and the body itself, in which long texts are cut and have
digests of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from greenflash_otel.greenflash_api.request import ApiRequest
from tests.golden.sources import Case

HERE = Path(__file__).parent
LONG = 120
"""Characters of a text that is written as it is."""
BEGINNING = 48
"""Characters that are left of a longer one."""
FRAME = ("productId", "sampleRate", "forceSample")
"""Fields that are alike in every body."""
MOST_SHOWN = 12
"""Differences that a test shows."""


def bodies(cases: Iterable[Case]) -> str:
    """The lines of what cases become."""
    lines = []
    for case in cases:
        lines += [_line(case.name, at, request) for at, request in enumerate(case.requests)]
        if not case.requests:
            lines.append(_json({"case": case.name, "at": None}))
    return "\n".join([*lines, ""])


def records(cases: Iterable[Case]) -> str:
    """The lines of the state records: by case and kind of key, the digests of the texts, sorted."""
    lines = []
    for case in cases:
        kinds: dict[str, list[str]] = {}
        for key, text in case.records:
            kinds.setdefault(key.partition(" ")[0], []).append(_digest(text.encode(), 3))
        lines += [
            _json({"case": case.name, "kind": kind, "records": " ".join(sorted(found))})
            for kind, found in sorted(kinds.items())
        ]
    return "\n".join([*lines, ""])


def _line(case: str, at: int, request: ApiRequest) -> str:
    body = json.loads(request.body)
    body = {name: value for name, value in body.items() if name not in FRAME}
    head = {"case": case, "at": at, "path": request.path, "sha256": _digest(request.body, 16)}
    if request.conversation_id != body.get("externalConversationId"):
        head["queue"] = request.conversation_id
    return _json({**head, "body": _shortened(body)})


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONG:
        digest = _digest(value.encode("utf-8", "surrogatepass"), 6)
        return f"{value[:BEGINNING]}… ({len(value)} characters, {digest})"
    if isinstance(value, dict):
        return {name: _shortened(entry) for name, entry in value.items()}
    if isinstance(value, list):
        if len(value) > LONG and not any(isinstance(entry, (dict, list)) for entry in value):
            return f"[… ({len(value)} values, {_digest(_json(value).encode(), 6)})"
        return [_shortened(entry) for entry in value]
    return value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _digest(text: bytes, length: int) -> str:
    return hashlib.sha256(text).hexdigest()[: 2 * length]


# --- comparing -------------------------------------------------------------------------------------


def path_of(kind: str, source: str) -> Path:
    """Where the lines of a source are kept."""
    return HERE / kind / f"{source.replace(' ', '-').replace(',', '').lower()}.jsonl"


def differences(golden: str, found: str) -> str:
    """What is not as it was, field by field; empty if everything is."""
    if golden == found:
        return ""
    before, now = _by_place(golden), _by_place(found)
    lines: list[str] = []
    for place in [*before, *(place for place in now if place not in before)]:
        if before.get(place) != now.get(place):
            lines.append(f"{place[0]}, request {place[1]}:")
            lines += [f"  {line}" for line in _between(before.get(place), now.get(place))]
    if not lines:
        lines = ["The same requests came in another order."]
    more = [f"… and {len(lines) - MOST_SHOWN * 3} more lines"] if len(lines) > MOST_SHOWN * 3 else []
    return "\n".join([*lines[: MOST_SHOWN * 3], *more])


def _by_place(text: str) -> dict[tuple[str, Any], Any]:
    found = {}
    for line in text.splitlines():
        entry = json.loads(line)
        found[entry["case"], entry.get("at", entry.get("kind"))] = entry
    return found


def _between(before: Any, now: Any) -> Sequence[str]:
    if before is None or now is None:
        return ["is new" if before is None else "is missing", f"{_json(before or now)[:400]}"]
    found = [line for line in _fields("", before, now) if not line.startswith("sha256")]
    return found[:MOST_SHOWN] or ["the bytes differ, not the fields: their order, or a text's inside"]


def _fields(place: str, before: Any, now: Any) -> Iterator[str]:
    """Each value that differs, with the way to it."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in [*before, *(name for name in now if name not in before)]:
            yield from _fields(f"{place}.{name}".lstrip("."), before.get(name), now.get(name))
    elif isinstance(before, list) and isinstance(now, list):
        for at in range(max(len(before), len(now))):
            pair = [values[at] if at < len(values) else None for values in (before, now)]
            yield from _fields(f"{place}[{at}]", *pair)
    elif before != now:
        yield f"{place}: was {_json(before)}, is {_json(now)}"
