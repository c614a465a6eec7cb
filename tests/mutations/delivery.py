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
        "delivery/outbox", "folder = None if path == MEMORY else Path(path).absolute()", "folder = None"
    ),
    "a file may have two owners": Mutation(
        "delivery/files",
        "    if (lock := _lock(path)) is None:\n        return None\n",
        "    lock = _lock(path)\n",
    ),
    "a message is another one in the next attempt": Mutation(
        "greenflash_api/splitting",
        '"messages": half}',
        '"messages": [{**one, "again": True} for one in half]}',
    ),
    "half of what is too large gets lost": Mutation(
        "delivery/sender",
        "self._outbox.replace(entry, halves, now_s=now_s)",
        "self._outbox.replace(entry, halves[:1], now_s=now_s)",
    ),
    "one bad message costs its batch": Mutation(
        "delivery/policy",
        "return Split(reason) if request_items > 1 else Rejected(reason, status == TOO_LARGE)",
        "return Rejected(reason, status == TOO_LARGE)",
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
        "delivery/schema",
        'FROM entries WHERE lane = ? ORDER BY id LIMIT ?"\n    for found',
        'FROM entries WHERE lane = ? ORDER BY id DESC LIMIT ?"\n    for found',
    ),
    "two of a conversation at a time": Mutation(
        "delivery/schedule", "        if queue not in self._attempts:", "        if True:"
    ),
    "what is taken over comes first": Mutation(
        "delivery/adoption", "max(after_id, schema.last_id(into))", "0"
    ),
    "halves go to the end": Mutation(
        "delivery/entries", "entry.id + place * step", "self._last_id + place + 1"
    ),
    "what is set aside is dropped": Mutation(
        "delivery/entries",
        "            schema.insert_rejected(db, schema.storable(reason), attempts, row, id=id)\n",
        "",
    ),
    "no reserve": Mutation("delivery/entries", "MESSAGES_SHARE: Final = 0.9", "MESSAGES_SHARE: Final = 1.0"),
    "a refusal is not counted": Mutation(
        "delivery/stats", "            self._lost[reason] += items\n", "            self._lost[reason] += 0\n"
    ),
    "bits may flip": Mutation(
        "delivery/schema",
        "    if _checksum(kind, path, conversation_id, items, body) != checksum:",
        "    if False:",
    ),
    "synced now and then": Mutation("delivery/schema", '"synchronous=FULL",', '"synchronous=NORMAL",'),
    "a new folder is not synced": Mutation("platform_support", "    sync_folder(path.parent)", "    pass"),
    "journals stay behind": Mutation(
        "delivery/files",
        "            left.unlink(missing_ok=True)\n        lock.release",
        "            pass\n        lock.release",
    ),
    "an index is believed": Mutation(
        "delivery/adoption", "        return schema.is_indexed(db)", "        return True"
    ),
    "no room to split in": Mutation("delivery/adoption", "> limit_bytes:", "> 2 * limit_bytes:"),
    "a removed file is written to": Mutation(
        "delivery/connection",
        "return self.owned is not None and not self.owned.path.exists()",
        "return False",
    ),
    "a handle crosses a fork": Mutation(
        "delivery/outbox",
        "            self._connection.forget_in_child()\n            self._entries.reset()",
        "            pass",
    ),
}
