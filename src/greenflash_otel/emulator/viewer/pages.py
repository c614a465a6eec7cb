"""Each page as a function: from what was asked to HTML, with one look at the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from greenflash_otel.emulator import views
from greenflash_otel.emulator.endpoints import API
from greenflash_otel.emulator.store import Store, reading
from greenflash_otel.emulator.stored import StoredConversation
from greenflash_otel.emulator.tree import render as render_tree
from greenflash_otel.emulator.viewer import finding, lists, rows
from greenflash_otel.emulator.viewer.charts import draw_days, draw_time_line
from greenflash_otel.emulator.viewer.conversation import view_conversation
from greenflash_otel.emulator.viewer.curl import quote_path, write_curl

HTML = "text/html"
MOST_ARRIVALS = 500
"""Conversations that one message of the stream names."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a browser asked for."""

    store: Store
    path: str
    params: Mapping[str, Any]
    """Of the path."""
    query: Mapping[str, str]
    base_url: str
    """Of the emulator, as the browser knows it."""
    theme: str
    token: str


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """What is sent to it."""

    body: bytes
    status: int = 200
    media_type: str = HTML
    location: str | None = None
    """Where to go instead."""


def build_list(asked: PageRequest) -> RenderedPage:
    """Conversations, latest change first; what to do where nothing has arrived."""
    with asked.store.snapshot() as db:
        counts = rows.count_all(db)
        try:
            listed = rows.list_conversations(db, asked.query)
        except ValueError as error:
            return _build_mistake(asked, counts, str(error))
        event_types = [
            row["event_type"] for row in db.execute("SELECT DISTINCT event_type FROM outcomes LIMIT 50")
        ]
    is_empty = not (counts.conversations or counts.outcomes or counts.users)
    name = "empty.html" if is_empty else "conversations.html"
    return _render(asked, counts, name, listed=listed, event_types=event_types, has=rows.HAS)


def build_conversation(asked: PageRequest) -> RenderedPage:
    """One conversation as its user saw it."""
    found = _read_conversation(asked)
    if found is None:
        return build_missing(asked, 404)
    conversation, counts = found
    view = view_conversation(conversation, asked.query.get("leaf"))
    return _render(
        asked, counts, "conversation.html", view=view, conversation=conversation, marks=draw_time_line(view)
    )


def build_text(asked: PageRequest) -> RenderedPage:
    """One conversation as a tree of text."""
    found = _read_conversation(asked)
    if found is None:
        return build_missing(asked, 404)
    return RenderedPage(
        render_tree(found[0]).encode("utf-8", "backslashreplace") + b"\n", media_type="text/plain"
    )


def build_json(asked: PageRequest) -> RenderedPage:
    """One conversation with everything that is stored of it, as JSON."""
    found = _read_conversation(asked)
    if found is None:
        return build_missing(asked, 404)
    text = json.dumps(views.write_in_full(found[0]), ensure_ascii=False, indent=2)
    return RenderedPage(text.encode("utf-8", "backslashreplace"), media_type="application/json")


def build_message(asked: PageRequest) -> RenderedPage:
    """One message in full."""
    found = _read_conversation(asked)
    if found is None:
        return build_missing(asked, 404)
    conversation, counts = found
    message = next((each for each in conversation.messages if each.id == asked.params["message"]), None)
    if message is None:
        return build_missing(asked, 404)
    return _render(asked, counts, "message.html", conversation=conversation, message=message)


def build_requests_of(asked: PageRequest) -> RenderedPage:
    """Requests that made a conversation."""
    found = _read_conversation(asked)
    if found is None:
        return build_missing(asked, 404)
    return _list_requests(asked, found[0])


def build_requests(asked: PageRequest) -> RenderedPage:
    """All requests, the newest first."""
    return _list_requests(asked, None)


def build_request(asked: PageRequest) -> RenderedPage:
    """One request in full, with the command that sends it again."""
    with asked.store.snapshot() as db:
        counts = rows.count_all(db)
        found = lists.read_request(db, asked.params["number"])
    if found is None:
        return build_missing(asked, 404)
    request, body = found
    command = write_curl(request.method, asked.base_url + API + quote_path(request.path), body)
    text = _write_body(body)
    return _render(
        asked, counts, "request.html", request=request, text=text, length=len(body), command=command
    )


def build_body(asked: PageRequest) -> RenderedPage:
    """Body of a request, byte for byte, as text that a browser does not interpret."""
    with asked.store.snapshot() as db:
        found = lists.read_request(db, asked.params["number"])
    return build_missing(asked, 404) if found is None else RenderedPage(found[1], media_type="text/plain")


def build_outcomes(asked: PageRequest) -> RenderedPage:
    """Business events by type: how many, how much, in how many conversations."""
    with asked.store.snapshot() as db:
        counts = rows.count_all(db)
        types = lists.list_event_types(db)
        days = draw_days(lists.count_days(db))
        listed = lists.list_outcomes(db, before=_read_position(asked))
    return _render(asked, counts, "outcomes.html", types=types, days=days, listed=listed, chosen=None)


def build_event_type(asked: PageRequest) -> RenderedPage:
    """Outcomes of one event type, and the conversations behind them."""
    name = asked.params["name"]
    with asked.store.snapshot() as db:
        counts = rows.count_all(db)
        types = [each for each in lists.list_event_types(db) if each.name == name]
        days = draw_days(lists.count_days(db))
        listed = lists.list_outcomes(db, event_type=name, before=_read_position(asked))
    if not types:
        return build_missing(asked, 404)
    return _render(asked, counts, "outcomes.html", types=types, days=days, listed=listed, chosen=name)


def build_users(asked: PageRequest) -> RenderedPage:
    """All users."""
    return _list_profiles(asked, "user")


def build_organizations(asked: PageRequest) -> RenderedPage:
    """All organizations."""
    return _list_profiles(asked, "organization")


def build_user(asked: PageRequest) -> RenderedPage:
    """One user, with conversations and outcomes."""
    return _show_profile(asked, "user")


def build_organization(asked: PageRequest) -> RenderedPage:
    """One organization, with conversations and outcomes."""
    return _show_profile(asked, "organization")


def build_unlinked(asked: PageRequest) -> RenderedPage:
    """Show what belongs to nothing, and why."""
    with asked.store.snapshot() as db:
        counts = rows.count_all(db)
        outcomes = lists.list_outcomes(db, loose=True, before=_read_position(asked))
        ratings = lists.list_loose_ratings(db)
        orphans = lists.list_orphans(db)
    return _render(asked, counts, "unlinked.html", outcomes=outcomes, ratings=ratings, orphans=orphans)


def build_found(asked: PageRequest) -> RenderedPage:
    """Go to what has the id, or say where it was looked for."""
    id = asked.query.get("id", "").strip()
    with asked.store.snapshot() as db:
        counts = rows.count_all(db)
        address = finding.find_address(db, id) if id else None
    if address is not None:
        return RenderedPage(b"", location=address)
    places = [place for place, _ in finding.PLACES]
    return _render(asked, counts, "not_found.html", status=404, id=id, places=places)


def build_missing(asked: PageRequest, status: int) -> RenderedPage:
    """Say that there is no such page, and where to look."""
    with asked.store.snapshot() as db:
        counts = rows.count_all(db)
    id = next(
        (str(asked.params[name]) for name in ("message", "id", "name", "number") if name in asked.params), ""
    )
    return _render(asked, counts, "not_found.html", status=status, id=id, places=[])


def build_login(asked: PageRequest, *, was_wrong: bool = False) -> RenderedPage:
    """Ask for the key."""
    return _render(asked, None, "login.html", status=401, was_wrong=was_wrong)


def build_expired(asked: PageRequest) -> RenderedPage:
    """Say that a form was too old."""
    return _render(
        asked, None, "mistake.html", status=403, message="This form is too old. Open the page again."
    )


def read_arrivals(store: Store, after: int | None) -> Mapping[str, Any]:
    """Return the number of the latest request, and what came after the one numbered ``after``."""
    with store.snapshot() as db:
        latest, store_id = db.execute(
            "SELECT coalesce(max(position), 0), (SELECT id FROM identity) FROM requests"
        ).fetchone()
        if after is None or after > latest:  # the emulator was emptied or started anew
            return {
                "position": latest,
                "store": store_id,
                "conversations": [],
                "requests": 0,
                "rejected": 0,
            }
        found = db.execute(
            """SELECT conversation_id, status FROM requests WHERE position > ? ORDER BY position LIMIT ?""",
            (after, MOST_ARRIVALS),
        ).fetchall()
    conversations = {row["conversation_id"]: None for row in found if row["conversation_id"]}
    rejected = sum(row["status"] >= 400 for row in found)
    return {
        "position": latest,
        "store": store_id,
        "conversations": list(conversations),
        "requests": latest - after,
        "rejected": rejected,
    }


def _list_requests(asked: PageRequest, conversation: StoredConversation | None) -> RenderedPage:
    with asked.store.snapshot() as db:
        counts = rows.count_all(db)
        try:
            listed = lists.list_requests(
                db,
                status=asked.query.get("status", ""),
                conversation_id=None if conversation is None else conversation.id,
                before=_read_position(asked),
            )
        except ValueError as error:
            return _build_mistake(asked, counts, str(error))
    return _render(asked, counts, "requests.html", listed=listed, conversation=conversation)


def _list_profiles(asked: PageRequest, kind: Literal["user", "organization"]) -> RenderedPage:
    with asked.store.snapshot() as db:
        counts = rows.count_all(db)
        listed = lists.list_profiles(db, kind, before=_read_position(asked))
    return _render(asked, counts, "profiles.html", listed=listed, kind=kind)


def _show_profile(asked: PageRequest, kind: Literal["user", "organization"]) -> RenderedPage:
    name = asked.params["name"]
    term = {"user": "user", "organization": "org"}[kind]
    with asked.store.snapshot() as db:
        counts = rows.count_all(db)
        profiles = lists.list_profiles(db, kind, external_id=name).rows
        listed = rows.list_conversations(db, {term: name})
        outcomes = lists.list_outcomes(db, **{kind: name})
    if not profiles:
        return build_missing(asked, 404)
    return _render(
        asked,
        counts,
        "profile.html",
        profile=profiles[0],
        kind=kind,
        term=term,
        listed=listed,
        outcomes=outcomes,
    )


def _read_conversation(asked: PageRequest) -> tuple[StoredConversation, rows.HeaderCounts] | None:
    """Return the conversation that Greenflash's id in the path names, and the counts; None if there is none."""
    conversation = reading.read_conversation(asked.store, asked.params["id"])
    if conversation is None:
        return None
    with asked.store.snapshot() as db:
        return conversation, rows.count_all(db)


def _read_position(asked: PageRequest) -> int | None:
    """Return the cursor of the query; what is none counts as the first page."""
    text = asked.query.get("before", "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _write_body(body: bytes) -> str:
    """Return a body as text for people: JSON indented, anything else as it is."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "backslashreplace")


def _build_mistake(asked: PageRequest, counts: rows.HeaderCounts, message: str) -> RenderedPage:
    return _render(asked, counts, "mistake.html", status=400, message=message)


def _render(
    asked: PageRequest, counts: rows.HeaderCounts | None, name: str, *, status: int = 200, **values: Any
) -> RenderedPage:
    from greenflash_otel.emulator.viewer.rendering import (
        render,
    )  # imports Jinja2, which tests without pages need not

    theme = asked.theme if asked.theme in ("light", "dark") else ""
    body = render(
        name,
        asked=asked,
        counts=counts,
        theme=theme,
        status=status,
        now_us=asked.store.read_clock_us(),
        **values,
    )
    return RenderedPage(body, status)
