"""The mistakes in delivery: those of other pipelines, and those that are easy to make here."""

from __future__ import annotations

from tests.mutations.seeded import Mutation

MUTATIONS: dict[str, Mutation] = {
    "settled before it is sent": Mutation(
        "delivery/sender",
        "        answer = self._transport.send(",
        "        self._outbox.settle(entry)\n        answer = self._transport.send(",
    ),
    "kept in memory first": Mutation(
        "delivery/outbox", "None if path == MEMORY else Path(path), limit_bytes", "None, limit_bytes"
    ),
    "a file may have two owners": Mutation(
        "delivery/database", '"locking_mode=EXCLUSIVE",', '"locking_mode=NORMAL",'
    ),
    "a message is another one in the next attempt": Mutation(
        "api/splitting", '"messages": half}', '"messages": [{**one, "again": True} for one in half]}'
    ),
    "half of what is too large gets lost": Mutation(
        "delivery/sender",
        "self._outbox.replace(entry, halves, now_s=now_s)",
        "self._outbox.replace(entry, halves[:1], now_s=now_s)",
    ),
    "one bad message costs its batch": Mutation(
        "delivery/policy",
        "return Split(reason) if request_items > 1 else Rejected(reason)",
        "return Rejected(reason)",
    ),
    "Retry-After is for others": Mutation(
        "delivery/policy", "    asked_s = _asked_s(answer)\n", "    asked_s = None\n"
    ),
    "Retry-After is for one request only": Mutation(
        "delivery/policy", "asked_s is not None, reason)", "False, reason)"
    ),
    "gives up after three failures": Mutation(
        "delivery/policy",
        "    if status in TRANSIENT_STATUSES or",
        '    if attempt > 3:\n        return Rejected("tired")\n    if status in TRANSIENT_STATUSES or',
    ),
    "any 2xx is success": Mutation(
        "delivery/policy",
        'if isinstance(decoded, dict) and decoded.get("success") is True:',
        "if True:",
    ),
    "a refused key refuses the data": Mutation(
        "delivery/policy",
        "PauseDelivery(_pause_reason(answer, status), pause_delay_s(pauses))\n\n\ndef pause_delay_s",
        "Rejected(str(status))\n\n\ndef pause_delay_s",
    ),
    "whoever says 404 is believed": Mutation(
        "delivery/policy",
        "(status in PERMANENT_STATUSES and _said(answer.body))",
        "status in PERMANENT_STATUSES",
    ),
    "a hold holds nothing": Mutation(
        "delivery/sender",
        "            if now_s < self._closed_until_s or not self._has_room():",
        "            if not self._has_room():",
    ),
    "the newest first": Mutation(
        "delivery/database", "AND id > ? ORDER BY id LIMIT 1", "AND id > ? ORDER BY id DESC LIMIT 1"
    ),
    "two of a conversation at a time": Mutation(
        "delivery/lanes", "        if lane not in self._attempts:", "        if True:"
    ),
    "what is taken over comes first": Mutation(
        "delivery/folder", "max(after_id, database.last_id(mine.db))", "0"
    ),
    "halves go to the end": Mutation(
        "delivery/outbox", "id = entry.id + place * step", "id = self._last_id + place + 1"
    ),
    "what is set aside is dropped": Mutation(
        "delivery/outbox", "                database.insert_aside(db, reason, attempts, row)\n", ""
    ),
    "no reserve": Mutation("delivery/outbox", "MESSAGES_SHARE: Final = 0.9", "MESSAGES_SHARE: Final = 1.0"),
    "a refusal is not counted": Mutation(
        "delivery/stats", "            self._lost[reason] += items\n", "            self._lost[reason] += 0\n"
    ),
    "bits may flip": Mutation(
        "delivery/database",
        "    if _checksum(kind, path, conversation_id, items, body) != checksum:",
        "    if False:",
    ),
    "synced now and then": Mutation("delivery/database", '"synchronous=FULL",', '"synchronous=NORMAL",'),
    "a new folder is not synced": Mutation(
        "delivery/folder", "                os.fsync(parent)", "                pass"
    ),
    "journals stay behind": Mutation(
        "delivery/folder", "                journal.unlink(missing_ok=True)", "                pass"
    ),
    "an index is believed": Mutation(
        "delivery/folder", "        return database.is_indexed(db)", "        return True"
    ),
    "no room to split in": Mutation("delivery/folder", "> mine.limit_bytes:", "> 2 * mine.limit_bytes:"),
    "a removed file is written to": Mutation(
        "delivery/outbox",
        "        if self._owned is not None and not self._owned.path.exists():",
        "        if False:",
    ),
    "a handle crosses a fork": Mutation(
        "delivery/holding",
        "            self._db = None\n            self._owned.db.close()",
        "            pass",
    ),
}
