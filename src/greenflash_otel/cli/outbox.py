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
from typing import TypeAlias

from greenflash_otel.cli.command_parser import suggest
from greenflash_otel.cli.outbox_contents import (
    count_contents,
    describe_contents,
    describe_entry,
    list_of_user,
    write_json_line,
    write_line,
    write_status,
)
from greenflash_otel.delivery import inspector
from greenflash_otel.delivery.destination import Destination
from greenflash_otel.delivery.inspector import OutboxInspector, StoredEntry
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import DEFAULT_BASE_URL, MEMORY, NO_PRODUCT, Settings
from greenflash_otel.visible_text import escape_controls

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
    counted = []
    for folder, destination in places:
        with _inspecting(folder, destination) as found:
            counted.append(count_contents(found, folder, destination))
    if arguments.json:
        print(json.dumps(write_status(settings.outbox, counted, nameless)))
        return 0
    if not places and not nameless:
        print(f"{settings.outbox}: nothing waits; no application has used this outbox")
    for folder, count in nameless:
        print(f"{folder}: {count} damaged files, and nothing says which destination they are for")
    for contents in counted:
        print(*describe_contents(contents), sep="\n")
    return 0


def show_all(arguments: argparse.Namespace) -> int:
    """Print one line for each request, the newest first."""
    settings = _read_settings(arguments)
    places, is_empty = _find_destinations(settings, arguments), True
    for folder, destination in places:
        with _inspecting(folder, destination) as found:
            if len(places) > 1:
                print(f"For {escape_controls(str(destination))}, in {folder}:", file=sys.stderr)
            names = sorted(found.list_names(), key=lambda name: int(name[1:]), reverse=True)
            shown = names[: arguments.limit] if arguments.limit > 0 else names
            for entry in filter(None, map(found.read_entry, shown)):
                print(write_json_line(entry, destination) if arguments.json else write_line(entry))
            is_empty = is_empty and not names
            if more := len(names) - len(shown):
                print(f"{more} older ones are not shown; --limit 0 shows all.", file=sys.stderr)
    if is_empty:
        print(f"No request is in the outbox {settings.outbox}.", file=sys.stderr)
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Print everything about some requests, with their content."""
    with _opened_outbox(arguments) as found:
        for entry in _select_entries(found, arguments):
            print(json.dumps(describe_entry(entry), indent=None if arguments.json else 2))
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Print everything about all requests, one JSON object per line."""
    settings, is_empty = _read_settings(arguments), True
    for folder, destination in _find_destinations(settings, arguments):
        with _inspecting(folder, destination) as found:
            for entry in found.list_entries():
                print(json.dumps({"destination": str(destination), **describe_entry(entry)}))
                is_empty = False
    if is_empty:
        print(f"No request is in the outbox {settings.outbox}.", file=sys.stderr)
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
        if chosen and not arguments.yes and not _confirm(chosen):
            print("Nothing was removed.")
            return 1
        for entry in chosen:
            found.drop(entry)
    print(f"{len(chosen)} removed.")
    return 0


def purge(arguments: argparse.Namespace) -> int:
    """Remove everything of one user, in all destinations or in the one that is named."""
    settings = _read_settings(arguments)
    places, found = _find_destinations(settings, arguments), list[tuple[Place, list[StoredEntry]]]()
    unread = 0
    for folder, destination in places:
        with _inspecting(folder, destination) as opened:
            found.append(((folder, destination), list_of_user(opened.list_entries(), arguments.user)))
            unread += opened.count_captured()
    chosen = [entry for _, entries in found for entry in entries]
    if chosen and not arguments.yes and not _confirm(chosen):
        print("Nothing was removed.", file=sys.stderr)
        return 1
    removed = sum(_drop_of_user(place, arguments.user) for place, entries in found if entries)
    if arguments.json:
        print(json.dumps({"schema": "outbox-purge/1", "removed": removed, "unread": unread}))
    else:
        print(f"{removed} removed.")
    if unread:
        print(
            f"{unread} captured spans are not converted yet, and may be of that user. Run 'greenflash-otel outbox "
            "flush', then this again.",
            file=sys.stderr,
        )
    return 1 if unread else 0


def _drop_of_user(place: Place, user_id: str) -> int:
    """Remove what is of a user now: other names may be in use than when the question was asked."""
    with _inspecting(*place) as found:
        chosen = list_of_user(found.list_entries(), user_id)
        for entry in chosen:
            found.drop(entry)
    return len(chosen)


def _confirm(chosen: list[StoredEntry]) -> bool:
    """Ask whether requests are to be removed for good.

    Raises:
        ConfigurationError: Nobody is there to be asked.
    """
    items = sum(entry.items for entry in chosen)
    what = f"{len(chosen)} request{'s' * (len(chosen) > 1)}, {items} item{'s' * (items > 1)}, for good"
    if not sys.stdin.isatty():
        raise ConfigurationError(f"This would remove {what}. Without a terminal, write --yes to confirm it.")
    print(f"Removes {what}. Type yes: ", end="", flush=True)
    return sys.stdin.readline().strip().lower() == "yes"


def _select_entries(found: OutboxInspector, arguments: argparse.Namespace) -> list[StoredEntry]:
    """Return the requests that the arguments name, or every rejected one."""
    names = found.list_names()
    if arguments.rejected:
        chosen = [name for name in names if name.startswith(inspector.REJECTED)]
        if not chosen:
            print("No request in it was rejected.", file=sys.stderr)
    elif not arguments.names:
        raise ConfigurationError(
            "No request is named. Write names as 'greenflash-otel outbox list' shows them, or --rejected for all "
            "that were rejected."
        )
    else:
        chosen = list(dict.fromkeys(arguments.names))
        known = set(names)
        if unknown := [name for name in chosen if name not in known]:
            raise ConfigurationError(
                f"No request {unknown[0]!r} is in this outbox. {suggest(unknown[0], names)} "
                "'greenflash-otel outbox list' shows the names.".replace("  ", " ")
            )
    return [entry for name in chosen if (entry := found.read_entry(name)) is not None]


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
    if settings.product_id != NO_PRODUCT:
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
    product = os.environ.get("GREENFLASH_PRODUCT_ID") or NO_PRODUCT  # what waits in the outbox names its own
    return Settings.read(os.environ, product_id=product, export="greenflash")
