"""``greenflash-otel outbox``: look after what waits to be delivered, and after what was rejected.

An outbox contains a folder for each destination, a base URL and a product. `status`, `list` and `export` show
all of them; `flush`, `retry` and `drop` act on one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from greenflash_otel.delivery import inspector
from greenflash_otel.delivery.destination import Destination
from greenflash_otel.delivery.inspector import OutboxInspector, StoredEntry
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import DEFAULT_BASE_URL, MEMORY, Settings

ANY_PRODUCT = "00000000-0000-0000-0000-000000000000"
"""Stands for the product where none is set: what waits in the outbox names its own."""

Place: TypeAlias = tuple[Path, Destination]
"""A folder and the destination that it is of."""


def flush(arguments: argparse.Namespace) -> int:
    """Deliver what waits for one destination."""
    settings = _read_settings(arguments)
    if (place := _choose(settings, arguments)) is None:
        print("Nothing waits in the outbox.")
        return 0
    folder, destination = place
    if settings.api_key is None:
        print("There is no API key: set GREENFLASH_API_KEY.", file=sys.stderr)
        return 2
    base_url = destination.base_url or settings.base_url
    is_chosen = base_url != DEFAULT_BASE_URL  # tests contact no default address
    offline_reason = None if is_chosen else settings.offline_reason
    settings = replace(
        settings, base_url=base_url, product_id=destination.product_id, offline_reason=offline_reason
    )
    pipeline = Pipeline(settings)
    rejected_before = pipeline.stats().rejected
    pipeline.flush(arguments.timeout)
    stats = pipeline.stats()
    print(stats)
    if stats.rejected:
        print("'greenflash-otel outbox list' shows what was rejected, and why.")
    pipeline.shutdown(0)
    is_left = not destination.base_url and _is_anything_left(folder, destination)
    return 1 if stats.pending or stats.lost or stats.rejected > rejected_before or is_left else 0


def _is_anything_left(folder: Path, destination: Destination) -> bool:
    """Return whether something captured without a key still waits for one: a test double does not get it."""
    with _inspecting(folder, destination) as found:
        return bool(found.count_captured()) or not all(entry.is_rejected for entry in found.list_entries())


def status(arguments: argparse.Namespace) -> int:
    """Count what waits, by destination."""
    settings = _read_settings(arguments)
    places = _find_destinations(settings, arguments)
    nameless = inspector.count_nameless(Path(settings.outbox))
    if not places and not nameless:
        print(f"{settings.outbox}: nothing waits; no application has used this outbox")
    for folder, count in nameless:
        print(f"{folder}: {count} damaged files, and nothing says which destination they are for")
    for folder, destination in places:
        with _inspecting(folder, destination) as found:
            entries, captured = list(found.list_entries()), found.count_captured()
            pending = sum(each.items for each in entries if not each.is_rejected) + captured
            rejected = sum(each.items for each in entries if each.is_rejected)
            counts = Stats(accepted=pending + rejected, pending=pending, rejected=rejected)
            print(f"{folder}: {counts}; for {escape_controls(str(destination))}")
            _explain(found, captured)
        if not inspector.is_marked_for(folder, destination):
            print(
                "  The folder's destination.json is missing, damaged or of another destination. The next process "
                "of this destination takes over what is counted here; 'greenflash-otel outbox flush' does, too."
            )
    return 0


def _explain(found: OutboxInspector, captured: int) -> None:
    counts = found.count_files()
    if captured:
        print(f"  {captured} of them are spans that the next process of the application converts.")
    if counts.of_processes:
        print(f"  {counts.of_processes} more files belong to running processes, which deliver themselves.")
    if counts.corrupt:
        print(f"  {counts.corrupt} damaged files were moved away; what could be read is counted above.")
    if counts.of_other_schema:
        print(f"  {counts.of_other_schema} files are of another version of greenflash-otel and stay as is.")


def show_all(arguments: argparse.Namespace) -> int:
    """Print one line for each request."""
    places = _find_destinations(_read_settings(arguments), arguments)
    for folder, destination in places:
        with _inspecting(folder, destination) as found:
            if len(places) > 1:
                print(f"For {escape_controls(str(destination))}, in {folder}:", file=sys.stderr)
            for entry in found.list_entries():
                print("\t".join(map(escape_controls, _write_columns(entry))))
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Print everything about some requests, with their content."""
    with _opened_outbox(arguments) as found:
        for entry in _select_entries(found, arguments):
            print(json.dumps(_describe(entry), indent=2))
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Print everything about all requests, one JSON object per line."""
    for folder, destination in _find_destinations(_read_settings(arguments), arguments):
        with _inspecting(folder, destination) as found:
            for entry in found.list_entries():
                print(json.dumps({"destination": str(destination), **_describe(entry)}))
    return 0


def retry(arguments: argparse.Namespace) -> int:
    """Make rejected requests pending again."""
    with _opened_outbox(arguments) as found:
        done = [found.retry(entry) for entry in _select_entries(found, arguments)]
    print(f"{sum(done)} wait again; 'greenflash-otel outbox flush' delivers them.")
    if unreadable := len(done) - sum(done):
        print(f"{unreadable} stay: they are damaged, or wait already.", file=sys.stderr)
    return 1 if unreadable else 0


def drop(arguments: argparse.Namespace) -> int:
    """Remove requests for good."""
    with _opened_outbox(arguments) as found:
        chosen = _select_entries(found, arguments)
        for entry in chosen:
            found.drop(entry)
    print(f"{len(chosen)} removed.")
    return 0


def escape_controls(text: str) -> str:
    """Return a text on one line, with control characters escaped: strangers wrote it."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _select_entries(found: OutboxInspector, arguments: argparse.Namespace) -> list[StoredEntry]:
    """Return the requests that the arguments name, or every rejected one."""
    entries = {entry.name: entry for entry in found.list_entries()}
    if arguments.rejected:
        return [entry for entry in entries.values() if entry.is_rejected]
    if unknown := [name for name in arguments.names if name not in entries]:
        raise ConfigurationError(f"there is no {unknown[0]} here; see 'greenflash-otel outbox list'")
    if not arguments.names:
        raise ConfigurationError("name what you mean, as 'outbox list' shows it, or write --rejected")
    return [entries[name] for name in arguments.names]


def _write_columns(entry: StoredEntry) -> tuple[str, ...]:
    request = entry.request
    what = f"{request.kind} of {request.conversation_id or 'no conversation'}" if request else "damaged"
    count = f"{entry.items} item{'s' if entry.items > 1 else ''}"
    return entry.name, count, what, entry.reason or "waits"


def _describe(entry: StoredEntry) -> dict[str, Any]:
    request = entry.request
    return {
        "name": entry.name,
        "reason": entry.reason or None,
        "attempts": entry.attempts,
        "kind": request.kind if request else None,
        "path": request.path if request else None,
        "conversation": request.conversation_id if request else None,
        "body": json.loads(request.body) if request else None,
    }


@contextmanager
def _opened_outbox(arguments: argparse.Namespace) -> Iterator[OutboxInspector]:
    settings = _read_settings(arguments)
    if (place := _choose(settings, arguments)) is None:
        raise ConfigurationError(f"there is nothing in the outbox {settings.outbox}")
    with _inspecting(*place) as found:
        yield found


@contextmanager
def _inspecting(folder: Path, destination: Destination) -> Iterator[OutboxInspector]:
    try:
        with inspector.inspecting(folder, destination) as found:
            yield found
    except BrokenPipeError:
        raise
    except inspector.FAILURES as error:
        raise ConfigurationError(f"cannot use the outbox {folder}: {error}") from error


def _choose(settings: Settings, arguments: argparse.Namespace) -> Place | None:
    """Return the destination that is meant; None if the outbox has none.

    Raises:
        ConfigurationError: There are several, and nothing says which.
    """
    places = _find_destinations(settings, arguments)
    if len(places) <= 1 and arguments.destination:
        return places[0] if places else None
    if settings.product_id != ANY_PRODUCT:
        wanted = Destination(settings.base_url, str(settings.product_id))
        for destination in (wanted, wanted.unaddressed):
            if matching := [place for place in places if place[1].key == destination.key]:
                return matching[0]
        if "GREENFLASH_PRODUCT_ID" in os.environ and places:
            _list_places(places)
            raise ConfigurationError(f"nothing waits for {wanted}; name another with --destination")
    if len(places) > 1:
        _list_places(places)
        raise ConfigurationError("the outbox has several destinations; name one with --destination")
    return places[0] if places else None


def _list_places(places: list[Place]) -> None:
    for folder, destination in places:
        print(f"{destination.folder_name}  {escape_controls(str(destination))}  in {folder}", file=sys.stderr)


def _find_destinations(settings: Settings, arguments: argparse.Namespace) -> list[Place]:
    """Return the destinations of the outbox, or those that --destination names."""
    if settings.outbox == MEMORY:
        raise ConfigurationError("GREENFLASH_OUTBOX is :memory:, which ends with its process; name a folder")
    root = Path(settings.outbox)
    try:
        if root.exists():
            list(root.iterdir())
    except OSError as error:
        raise ConfigurationError(
            f"cannot use the outbox {root}: {error.strerror}; set GREENFLASH_OUTBOX to a folder of yours"
        ) from None
    places = inspector.list_destinations(root)
    if not arguments.destination:
        return places
    named = [
        place
        for place in places
        if arguments.destination.lower() in (place[1].folder_name, place[1].product_id.lower(), place[1].key)
    ]
    if not named:
        _list_places(places)
        raise ConfigurationError(f"there is no destination {arguments.destination!r} in {root}")
    return named


def _read_settings(arguments: argparse.Namespace) -> Settings:
    product = os.environ.get("GREENFLASH_PRODUCT_ID") or ANY_PRODUCT
    return Settings.read(os.environ, product_id=product, export="greenflash")
