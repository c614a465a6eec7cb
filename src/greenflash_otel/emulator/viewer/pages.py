"""Each page as a function: from what was asked to HTML, with one look at the store."""

from __future__ import annotations

import json
import sqlite3
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


def build_list(page: PageRequest) -> RenderedPage:
    """Show conversations, latest change first; what to do where nothing has arrived."""
    with page.store.snapshot() as db:
        counts = rows.count_all(db)
        try:
            listed = rows.list_conversations(db, page.query)
        except ValueError as error:
            return _build_mistake(page, counts, str(error))
        event_types = [
            row["event_type"] for row in db.execute("SELECT DISTINCT event_type FROM outcomes LIMIT 50")
        ]
    is_empty = not (counts.conversations or counts.outcomes or counts.users)
    name = "empty.html" if is_empty else "conversations.html"
    return _render(page, counts, name, listed=listed, event_types=event_types, has=rows.HAS)


def build_conversation(page: PageRequest) -> RenderedPage:
    """Show one conversation as its user saw it."""
    stored = _read_conversation(page)
    if stored is None:
        return build_missing(page, 404)
    conversation, counts = stored
    view = view_conversation(conversation, page.query.get("leaf"))
    return _render(
        page, counts, "conversation.html", view=view, conversation=conversation, marks=draw_time_line(view)
    )


def build_text(page: PageRequest) -> RenderedPage:
    """Show one conversation as a tree of text."""
    conversation = reading.read_conversation(page.store, page.params["id"])
    if conversation is None:
        return build_missing(page, 404)
    text = render_tree(conversation) + "\n"
    return RenderedPage(text.encode("utf-8", "backslashreplace"), media_type="text/plain")


def build_json(page: PageRequest) -> RenderedPage:
    """Show one conversation with everything that is stored of it, as JSON."""
    conversation = reading.read_conversation(page.store, page.params["id"])
    if conversation is None:
        return build_missing(page, 404)
    text = json.dumps(views.write_in_full(conversation), ensure_ascii=False, indent=2)
    return RenderedPage(text.encode("utf-8", "backslashreplace"), media_type="application/json")


def build_message(page: PageRequest) -> RenderedPage:
    """Show one message in full."""
    stored = _read_conversation(page)
    if stored is None:
        return build_missing(page, 404)
    conversation, counts = stored
    message = next((each for each in conversation.messages if each.id == page.params["message"]), None)
    if message is None:
        return build_missing(page, 404)
    return _render(page, counts, "message.html", conversation=conversation, message=message)


def build_requests_of(page: PageRequest) -> RenderedPage:
    """Show requests that made a conversation."""
    conversation = reading.read_conversation(page.store, page.params["id"])
    return build_missing(page, 404) if conversation is None else _list_requests(page, conversation)


def build_requests(page: PageRequest) -> RenderedPage:
    """Show all requests, the newest first."""
    return _list_requests(page, None)


def build_request(page: PageRequest) -> RenderedPage:
    """Show one request in full, with the command that sends it again."""
    with page.store.snapshot() as db:
        counts = rows.count_all(db)
        stored = _find_request(db, page)
    if stored is None:
        return build_missing(page, 404)
    request, body = stored
    command = write_curl(request.method, page.base_url + API + quote_path(request.path), body)
    text = _write_body(body)
    return _render(page, counts, "request.html", request=request, text=text, command=command)


def build_body(page: PageRequest) -> RenderedPage:
    """Show the body of a request, byte for byte, as text that a browser does not interpret."""
    with page.store.snapshot() as db:
        stored = _find_request(db, page)
    return build_missing(page, 404) if stored is None else RenderedPage(stored[1], media_type="text/plain")


def build_outcomes(page: PageRequest) -> RenderedPage:
    """Show business events by type: how many, how much, in how many conversations."""
    with page.store.snapshot() as db:
        counts = rows.count_all(db)
        types = lists.list_event_types(db)[: lists.MOST_EVENT_TYPES]
        days = draw_days(lists.count_days(db))
        listed = lists.list_outcomes(db, before=_read_position(page))
    return _render(page, counts, "outcomes.html", types=types, days=days, listed=listed, chosen=None)


def build_event_type(page: PageRequest) -> RenderedPage:
    """Show outcomes of one event type, and the conversations behind them."""
    name = page.params["name"]
    with page.store.snapshot() as db:
        counts = rows.count_all(db)
        types = [each for each in lists.list_event_types(db) if each.name == name]
        days = draw_days(lists.count_days(db))
        listed = lists.list_outcomes(db, event_type=name, before=_read_position(page))
    if not types:
        return build_missing(page, 404)
    return _render(page, counts, "outcomes.html", types=types, days=days, listed=listed, chosen=name)


def build_users(page: PageRequest) -> RenderedPage:
    """Show all users."""
    return _list_profiles(page, "user")


def build_organizations(page: PageRequest) -> RenderedPage:
    """Show all organizations."""
    return _list_profiles(page, "organization")


def build_user(page: PageRequest) -> RenderedPage:
    """Show one user, with conversations and outcomes."""
    return _show_profile(page, "user")


def build_organization(page: PageRequest) -> RenderedPage:
    """Show one organization, with conversations and outcomes."""
    return _show_profile(page, "organization")


def build_unlinked(page: PageRequest) -> RenderedPage:
    """Show what belongs to nothing, and why."""
    with page.store.snapshot() as db:
        counts = rows.count_all(db)
        outcomes = lists.list_outcomes(db, loose=True, before=_read_position(page))
        ratings = lists.list_loose_ratings(db, before=_read_position(page, "before_rating"))
        orphans = lists.list_orphans(db, before=_read_position(page, "before_message"))
    return _render(page, counts, "unlinked.html", outcomes=outcomes, ratings=ratings, orphans=orphans)


def build_found(page: PageRequest) -> RenderedPage:
    """Go to what has the id, or say where it was looked for."""
    id = page.query.get("id", "").strip()
    with page.store.snapshot() as db:
        counts = rows.count_all(db)
        address = finding.find_address(db, id) if id else None
    if address is not None:
        return RenderedPage(b"", location=address)
    places = [place for place, _ in finding.PLACES]
    return _render(page, counts, "not_found.html", status=404, id=id, places=places)


def build_missing(page: PageRequest, status: int) -> RenderedPage:
    """Say that there is no such page, and where to look."""
    with page.store.snapshot() as db:
        counts = rows.count_all(db)
    id = next(
        (str(page.params[name]) for name in ("message", "id", "name", "number") if name in page.params), ""
    )
    return _render(page, counts, "not_found.html", status=status, id=id, places=[])


def build_login(page: PageRequest, *, was_wrong: bool = False) -> RenderedPage:
    """Ask for the key."""
    return _render(page, None, "login.html", status=401, was_wrong=was_wrong)


def build_expired(page: PageRequest) -> RenderedPage:
    """Say that a form was too old."""
    return _render(
        page, None, "mistake.html", status=403, message="This form is too old. Open the page again."
    )


def read_arrivals(store: Store, after: int | None) -> Mapping[str, Any]:
    """Return the number of the latest request, and what came after the one numbered ``after``."""
    with store.snapshot() as db:
        store_id, latest = reading.read_latest(db)
        if after is None or after > latest:  # the emulator was emptied or started anew
            return {
                "position": latest,
                "store": store_id,
                "conversations": [],
                "requests": 0,
                "rejected": 0,
            }
        arrivals = db.execute(
            """SELECT conversation_id, status FROM requests WHERE position > ? ORDER BY position LIMIT ?""",
            (after, MOST_ARRIVALS),
        ).fetchall()
    conversations = {row["conversation_id"]: None for row in arrivals if row["conversation_id"]}
    rejected = sum(row["status"] >= 400 for row in arrivals)
    return {
        "position": latest,
        "store": store_id,
        "conversations": list(conversations),
        "requests": latest - after,
        "rejected": rejected,
    }


def _list_requests(page: PageRequest, conversation: StoredConversation | None) -> RenderedPage:
    with page.store.snapshot() as db:
        counts = rows.count_all(db)
        try:
            listed = lists.list_requests(
                db,
                status=page.query.get("status", ""),
                conversation_id=None if conversation is None else conversation.id,
                before=_read_position(page),
            )
        except ValueError as error:
            return _build_mistake(page, counts, str(error))
    return _render(page, counts, "requests.html", listed=listed, conversation=conversation)


def _list_profiles(page: PageRequest, kind: Literal["user", "organization"]) -> RenderedPage:
    with page.store.snapshot() as db:
        counts = rows.count_all(db)
        listed = lists.list_profiles(db, kind, before=_read_position(page))
    return _render(page, counts, "profiles.html", listed=listed, kind=kind)


def _show_profile(page: PageRequest, kind: Literal["user", "organization"]) -> RenderedPage:
    name = page.params["name"]
    term = {"user": "user", "organization": "org"}[kind]
    with page.store.snapshot() as db:
        counts = rows.count_all(db)
        profiles = lists.list_profiles(db, kind, external_id=name).rows
        listed = rows.list_conversations(db, {term: name})
        outcomes = lists.list_outcomes(db, **{kind: name})
    if not profiles:
        return build_missing(page, 404)
    return _render(
        page,
        counts,
        "profile.html",
        profile=profiles[0],
        kind=kind,
        term=term,
        listed=listed,
        outcomes=outcomes,
    )


def _read_conversation(page: PageRequest) -> tuple[StoredConversation, rows.HeaderCounts] | None:
    """Return the conversation that Greenflash's id in the path names, and the counts; None if there is none.

    Count first: the page's stream begins behind what was counted, and so announces what arrives in between.
    """
    with page.store.snapshot() as db:
        counts = rows.count_all(db)
    conversation = reading.read_conversation(page.store, page.params["id"])
    return None if conversation is None else (conversation, counts)


def _find_request(db: sqlite3.Connection, page: PageRequest) -> tuple[lists.RequestRow, bytes] | None:
    """Return the request that the path numbers, and its body; None if there is none."""
    number = rows.read_number(page.params["number"])
    return None if number is None else lists.read_request(db, number)


def _read_position(page: PageRequest, name: str = "before") -> int | None:
    """Return the cursor of the query; what is none counts as the first page."""
    return rows.read_number(page.query.get(name, ""))


def _write_body(body: bytes) -> str:
    """Return a body as text for people: JSON indented, anything else as it is."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "backslashreplace")


def _build_mistake(page: PageRequest, counts: rows.HeaderCounts, message: str) -> RenderedPage:
    return _render(page, counts, "mistake.html", status=400, message=message)


def _render(
    page: PageRequest, counts: rows.HeaderCounts | None, name: str, *, status: int = 200, **values: Any
) -> RenderedPage:
    from greenflash_otel.emulator.viewer.rendering import (
        render,
    )  # imports Jinja2, which tests without pages need not

    theme = page.theme if page.theme in ("light", "dark") else ""
    body = render(
        name,
        asked=page,
        counts=counts,
        theme=theme,
        status=status,
        now_us=page.store.read_clock_us(),
        **values,
    )
    return RenderedPage(body, status)
