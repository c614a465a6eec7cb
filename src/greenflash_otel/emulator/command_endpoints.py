"""The routes that the command line reads: conversations as rows and in turns, what they were sent as, what arrives."""

from __future__ import annotations

import re
from difflib import get_close_matches

from greenflash_otel.emulator.arrivals import find_place
from greenflash_otel.emulator.arrivals import read_arrivals as read_what_arrived
from greenflash_otel.emulator.command_views import JsonObject, write_conversation, write_row
from greenflash_otel.emulator.endpoints import API, OWN, Call, Endpoint, Reply
from greenflash_otel.emulator.instants import read_instant_us, write_instant
from greenflash_otel.emulator.refusal import Refused
from greenflash_otel.emulator.store import Store, reading
from greenflash_otel.emulator.viewer import rows
from greenflash_otel.emulator.viewer.conversation import view_conversation
from greenflash_otel.emulator.viewer.curl import quote_path, write_curl

CANDIDATES = 1_000
"""Conversations among which the nearest id is looked for, those that changed last."""
LIKENESS = 0.6

IDS = "SELECT external_id, id FROM conversations ORDER BY updated_at_us DESC, position DESC LIMIT ?"
SENT = """
SELECT position, at_us, method, path, status, about, body FROM requests
 WHERE conversation_id = ? AND status < 400 ORDER BY position"""


def list_rows(store: Store, call: Call) -> Reply:
    """Return a page of conversations, latest change first, with the filters of the pages for people."""
    with store.snapshot() as db:
        try:
            listed = rows.list_conversations(db, call.query)
        except ValueError as error:
            raise Refused(400, str(error)) from None
    return Reply(200, {"conversations": [write_row(row) for row in listed.rows], "next": listed.next})


def show_conversation(store: Store, call: Call) -> Reply:
    """Return a conversation in turns, by either id; ``?leaf=`` is a message of the branch."""
    found = reading.read_conversations(store, id=call.path_id)
    if not found:
        return _miss(store, call.path_id)
    conversation, leaf = found[-1], call.query.get("leaf")
    if leaf is not None:
        named = [message.id for message in conversation.messages if leaf in (message.id, message.external_id)]
        if not named:
            raise Refused(404, f"no message {leaf!r} in this conversation")
        leaf = named[0]
    url = f"{_find_origin(call)}/c/{conversation.id}"
    return Reply(200, write_conversation(view_conversation(conversation, leaf), url))


def list_sent(store: Store, call: Call) -> Reply:
    """Return the requests that made a conversation, the oldest first, with their bodies and commands."""
    found = reading.read_conversations(store, id=call.path_id)
    if not found:
        return _miss(store, call.path_id)
    sent: list[JsonObject] = []
    with store.snapshot() as db:
        for row in db.execute(SENT, (found[-1].id,)):
            url = _find_origin(call) + API + quote_path(row["path"])
            sent.append(
                {
                    "schema": "request/1",
                    "number": row["position"],
                    "at": write_instant(row["at_us"]),
                    **{name: row[name] for name in ("method", "path", "status", "about")},
                    "body": bytes(row["body"]).decode(),  # was accepted, so it is UTF-8
                    "curl": write_curl(row["method"], url, bytes(row["body"])),
                }
            )
    return Reply(200, {"requests": sent})


def read_arrivals(store: Store, call: Call) -> Reply:
    """Return what arrived after the request ``?after=``; without it the place to begin from, ``?since=`` an instant."""
    after = call.query.get("after")
    if after is None:
        arrivals = find_place(store, _read_since_us(call))
    elif not re.fullmatch(r"\d{1,18}", after, re.ASCII):
        raise Refused(400, "after: must be the number of a request")
    else:
        arrivals = read_what_arrived(store, after=int(after))
    names = ("store", "latest", "next", "records")
    return Reply(200, {name: getattr(arrivals, name) for name in names})


COMMAND_ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", f"{OWN}/rows", list_rows),
    Endpoint("GET", f"{OWN}/turns/{{id}}", show_conversation),
    Endpoint("GET", f"{OWN}/sent/{{id}}", list_sent),
    Endpoint("GET", f"{OWN}/arrivals", read_arrivals),
)


def _miss(store: Store, id: str) -> Reply:
    """Say that there is no such conversation, and which id is nearest."""
    with store.snapshot() as db:
        ids = [str(row["external_id"] or row["id"]) for row in db.execute(IDS, (CANDIDATES,))]
    nearest = get_close_matches(id, ids, n=1, cutoff=LIKENESS)
    body = {
        "success": False,
        "message": f"no conversation {id!r}",
        "nearest": nearest[0] if nearest else None,
    }
    return Reply(404, body)


def _read_since_us(call: Call) -> int | None:
    text = call.query.get("since")
    try:
        return None if text is None else read_instant_us(text)
    except ValueError as error:
        raise Refused(400, f"since: {error}") from None


def _find_origin(call: Call) -> str:
    """Return the address of the emulator as the client knows it."""
    scheme, _, rest = call.url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
