"""What the pages can change: empty the emulator, and send a request again."""

from __future__ import annotations

import time

from greenflash_otel.emulator.endpoints import API, ENDPOINTS, Call, Endpoint
from greenflash_otel.emulator.refusal import Refused
from greenflash_otel.emulator.store import Store, writing
from greenflash_otel.emulator.store.writing import Arrival
from greenflash_otel.emulator.viewer.lists import read_request

TABLES = ("requests", "ratings", "outcomes", "messages", "conversations", "profiles")
"""In an order that breaks no reference."""
SENDER = "sent again from the page"


def clear(store: Store) -> str:
    """Remove everything; return where to go on."""
    with store.change() as change:
        for table in TABLES:
            change.db.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of this module
        change.db.execute("UPDATE identity SET id = lower(hex(randomblob(8)))")
    return "/"


def replay(store: Store, number: int | None) -> str:
    """Carry a request out once more, byte for byte; return the address of the new one.

    A request that only reads is not carried out: it would not be noted, and there would be no new one.
    """
    with store.snapshot() as db:
        stored = None if number is None else read_request(db, number)
    if stored is None:
        return "/requests"
    row, body = stored
    if not row.may_be_repeated:
        return f"/requests/{number}"
    arrival = Arrival(row.method, row.path, body, SENDER, time.perf_counter_ns())
    endpoint, path_id = _find_endpoint(row.method, row.path)
    try:
        if endpoint is None:
            raise Refused(404, f"No route {row.path!r}; the API begins at {API}")
        endpoint.handle(store, Call(url=row.path, path_id=path_id, query={}, arrival=arrival))
    except Refused as refusal:
        with store.change() as change:
            writing.note(change, arrival, refusal.status, refusal.message)
    with store.snapshot() as db:
        (latest,) = db.execute("SELECT max(position) FROM requests WHERE sender = ?", (SENDER,)).fetchone()
    return f"/requests/{latest}"


def _find_endpoint(method: str, path: str) -> tuple[Endpoint | None, str]:
    """Return the endpoint of a path below the API, and the id that ends the path."""
    for endpoint in ENDPOINTS:
        own = endpoint.path.removeprefix(API)
        prefix = own.removesuffix("{id}")
        if endpoint.method == method and (own == path or (prefix != own and path.startswith(prefix))):
            return endpoint, path.removeprefix(prefix)
    return None, ""
