"""What lies in an outbox, as lines for people and as JSON for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from greenflash_otel.delivery import inspector
from greenflash_otel.delivery.destination import Destination
from greenflash_otel.delivery.inspector import FolderCounts, OutboxInspector, StoredEntry
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.json_values import read_json_object, read_str
from greenflash_otel.visible_text import escape_controls

TIMES = ("createdAt", "eventAt", "ratedAt")
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class DestinationContents:
    """What the folder of a destination contains, besides the files of running processes."""

    folder: Path
    destination: Destination
    pending: int
    rejected: int
    captured: int
    """Part of `pending`: spans that are still to be converted."""
    files: FolderCounts
    is_marked: bool
    """Whether the folder says that it is of this destination."""


def count_contents(found: OutboxInspector, folder: Path, destination: Destination) -> DestinationContents:
    """Count what a folder has for a destination."""
    (pending, rejected), captured = found.count_items(), found.count_captured()
    is_marked = inspector.is_marked_for(folder, destination)
    return DestinationContents(
        folder, destination, pending + captured, rejected, captured, found.count_files(), is_marked
    )


def describe_contents(contents: DestinationContents) -> Iterator[str]:
    """Yield the lines of a destination: its counts, and what is to be said of them."""
    total = contents.pending + contents.rejected
    counts = Stats(accepted=total, pending=contents.pending, rejected=contents.rejected)
    yield f"{contents.folder}: {counts}; for {escape_controls(str(contents.destination))}"
    files = contents.files
    if contents.captured:
        yield f"  {contents.captured} of them are spans that the next process of the application converts."
    if files.of_processes:
        yield f"  {files.of_processes} more files belong to running processes, which deliver themselves."
    if files.corrupt:
        yield f"  {files.corrupt} damaged files were moved away; what could be read is counted above."
    if files.of_other_schema:
        yield f"  {files.of_other_schema} files are of another version of greenflash-otel and stay as is."
    if not contents.is_marked:
        yield (
            "  The folder's destination.json is missing, damaged or of another destination. The next process "
            "of this destination takes over what is counted here; 'greenflash-otel outbox flush' does, too."
        )


def write_status(
    outbox: str, counted: Sequence[DestinationContents], nameless: Sequence[tuple[Path, int]]
) -> Mapping[str, object]:
    """Return the state of an outbox as JSON, schema ``outbox-status/1``."""
    return {
        "schema": "outbox-status/1",
        "outbox": outbox,
        "destinations": [
            {
                "folder": str(each.folder),
                "base_url": each.destination.base_url or None,
                "product_id": each.destination.product_id,
                "pending": each.pending,
                "rejected": each.rejected,
                "captured": each.captured,
                "files_of_processes": each.files.of_processes,
                "damaged_files": each.files.corrupt,
                "files_of_other_version": each.files.of_other_schema,
                "is_marked": each.is_marked,
            }
            for each in counted
        ],
        "nameless": [{"folder": str(folder), "damaged_files": count} for folder, count in nameless],
    }


def write_line(entry: StoredEntry) -> str:
    """Return the line of an entry: name, age, tries, items, what it is and why it lies there."""
    happened_s, request = _find_newest_s(entry), entry.request
    what = f"{request.kind} of {request.conversation_id or 'no conversation'}" if request else "damaged"
    columns = (
        entry.name,
        "-" if happened_s is None else write_age(time.time() - happened_s),
        _count(entry.attempts, "try", "tries") if entry.is_rejected else "-",
        _count(entry.items, "item", "items"),
        what,
        entry.reason or "waits",
    )
    return "\t".join(map(escape_controls, columns))


def write_json_line(entry: StoredEntry, destination: Destination) -> str:
    """Return an entry without its content as JSON, schema ``outbox-list/1``."""
    described = describe_entry(entry)
    del described["body"]
    return json.dumps({**described, "schema": "outbox-list/1", "destination": str(destination)})


def describe_entry(entry: StoredEntry) -> dict[str, Any]:  # JSON of any shape
    """Return all of an entry as JSON, schema ``outbox-entry/1``."""
    request, happened_s = entry.request, _find_newest_s(entry)
    return {
        "schema": "outbox-entry/1",
        "name": entry.name,
        "state": "rejected" if entry.is_rejected else "pending",
        "reason": entry.reason or None,
        "attempts": entry.attempts if entry.is_rejected else None,
        "items": entry.items,
        "age_s": None if happened_s is None else round(time.time() - happened_s, 3),
        "kind": request.kind if request else None,
        "path": request.path if request else None,
        "conversation": request.conversation_id if request else None,
        "body": json.loads(request.body) if request else None,
    }


def write_age(seconds: float) -> str:
    """Return a duration in its largest unit, such as ``3 h``."""
    for unit_s, unit in UNITS:
        if seconds >= unit_s:
            return f"{int(seconds // unit_s)} {unit}"
    return "0 s"


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number} {singular if number == 1 else plural}"


def _find_newest_s(entry: StoredEntry) -> float | None:
    """Return when the newest thing in a request happened, in Unix time; None if it does not say."""
    body = json.loads(entry.request.body) if entry.request else None
    if not isinstance(body, dict):
        return None
    messages = body.get("messages")
    objects = [body, *(messages if isinstance(messages, list) else [])]
    texts = [item[name] for item in objects if isinstance(item, dict) for name in TIMES if name in item]
    return max((instant for text in texts if (instant := _read_instant_s(text)) is not None), default=None)


def _read_instant_s(text: object) -> float | None:
    try:
        instant = datetime.fromisoformat(str(text).replace("Z", "+00:00"))  # Python 3.10 knows no Z
    except ValueError:
        return None
    return instant.timestamp() if instant.tzinfo else None


def list_of_user(entries: Iterable[StoredEntry], user_id: str) -> list[StoredEntry]:
    """Return the requests that name a user, and those that name nobody and are of a conversation of theirs."""
    readable = [(entry, entry.request) for entry in entries if entry.request is not None]
    named = [(entry, request, _name_user(request)) for entry, request in readable]
    conversations = {request.conversation_id for _, request, user in named if user == user_id} - {""}
    return [
        entry
        for entry, request, user in named
        if user == user_id or (user is None and request.conversation_id in conversations)
    ]


def _name_user(request: ApiRequest) -> str | None:
    body = read_json_object(json.loads(request.body))
    names = (read_str(body.get(name)) for name in ("externalUserId", "userId", "participantId"))
    return next((name for name in names if name), None)
