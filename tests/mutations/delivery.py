"""The mistakes in delivery: those of other pipelines, and those that are easy to make here."""

from __future__ import annotations

from tests.mutations.seeded import Mutation

MUTATIONS: dict[str, Mutation] = {
    "settled before it is sent": Mutation(
        "delivery/sender",
        "        answer = self._transport.send(",
        "        self._outbox.acknowledge(entry)\n        answer = self._transport.send(",
    ),
    "kept in memory first": Mutation(
        "delivery/outbox", "None if path == MEMORY else Path(path).absolute()", "None"
    ),
    "a file may have two owners": Mutation(
        "./platform_support", "fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH | fcntl.LOCK_NB"
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
        "return Rejected(reason)",
    ),
    "Retry-After is for others": Mutation(
        "delivery/policy", "    server_wait_s = _read_retry_after_s(answer)\n", "    server_wait_s = None\n"
    ),
    "Retry-After is for one request only": Mutation(
        "delivery/policy", "server_wait_s is not None, reason)", "False, reason)"
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
        "(status in PERMANENT_STATUSES and _read_explanation(answer.body))",
        "status in PERMANENT_STATUSES",
    ),
    "a hold holds nothing": Mutation(
        "delivery/sender",
        "            if now_s < self._closed_until_s or not self._has_room():",
        "            if not self._has_room():",
    ),
    "the newest first": Mutation(
        "delivery/schema",
        "WHERE lane = ? AND id > ? ORDER BY id",
        "WHERE lane = ? AND id > ? ORDER BY id DESC",
    ),
    "two of a conversation at a time": Mutation(
        "delivery/schedule", "        if queue not in self._attempts:", "        if True:"
    ),
    "what was attempted is merged": Mutation(
        "delivery/claims",
        "not schedule.was_attempted(entry.queue) and entry.id > self.contents.unclaimed_after_id",
        "True",
    ),
    "what is merged is sent before it is on disk": Mutation(
        "delivery/claims",
        "                    schema.update(db, entry.id, schema.row_of(entry.request))\n",
        "                    pass\n",
    ),
    "what is taken over comes first": Mutation(
        "delivery/adoption", "max(after_id, schema.find_last_id(into))", "0"
    ),
    "halves go to the end": Mutation(
        "delivery/entries", "entry.id + place * step", "self._last_id + place + 1"
    ),
    "what is set aside is dropped": Mutation(
        "delivery/claims",
        "            schema.insert_rejected(db, schema.make_storable(reason), attempts, row, id=id)\n",
        "",
    ),
    "no reserve": Mutation("delivery/entries", "MESSAGES_SHARE: Final = 0.9", "MESSAGES_SHARE: Final = 1.0"),
    "a refusal is not counted": Mutation(
        "delivery/stats", "            self._lost[reason] += items\n", "            self._lost[reason] += 0\n"
    ),
    "bits may flip": Mutation(
        "delivery/schema",
        "    if _compute_checksum(kind, path, conversation_id, items, body) != checksum:",
        "    if False:",
    ),
    "synced now and then": Mutation("delivery/schema", '"synchronous=FULL",', '"synchronous=NORMAL",'),
    "a new folder is not synced": Mutation(
        "./platform_support", "    sync_folder(path.parent)\n", "    pass\n"
    ),
    "journals stay behind": Mutation(
        "delivery/files",
        "            left.unlink(missing_ok=True)\n        lock",
        "            pass\n        lock",
    ),
    "an index is believed": Mutation(
        "delivery/adoption", "        return schema.is_indexed(db)", "        return True"
    ),
    "no room to split in": Mutation(
        "delivery/adoption",
        "schema.measure_used_bytes(into) > limit_bytes:",
        "schema.measure_used_bytes(into) > 2 * limit_bytes:",
    ),
    "a removed file is written to": Mutation(
        "delivery/connection",
        "return self.owned is not None and not self.owned.path.exists()",
        "return False",
    ),
    "five refusals alike are about their items": Mutation(
        "delivery/refusals", "len(self._conversations) >= ALIKE", "False"
    ),
    "a first refusal is believed": Mutation(
        "delivery/refusals", "not self._has_accepted and (waiting == 0", "False and (waiting == 0"
    ),
    "whose file it is does not matter": Mutation(
        "delivery/files", "in ((destination,) if is_exact else (destination, None))", "not in ()"
    ),
    "what is captured for one goes to another": Mutation(
        "delivery/destination", "return marked is not None and marked.key == destination.key", "return True"
    ),
    "a name makes a file ours": Mutation(
        "delivery/files", 'header[68:72], "big") != schema.APPLICATION_ID', 'header[68:72], "big") < 0'
    ),
    "what is spilled is overtaken": Mutation(
        "delivery/batcher", "if self._spill.is_empty() and not self._late else []", "if True else []"
    ),
    "what must be redacted is spilled to the disk": Mutation(
        "./pipeline_parts",
        "may_use_disk = redact is None and settings.capture_content",
        "may_use_disk = True",
    ),
    "all files stay open": Mutation("delivery/writer", "MOST_OPEN: Final = 64", "MOST_OPEN: Final = 10**6"),
    "a handle crosses a fork": Mutation(
        "delivery/connection",
        "            _inherited.append(self.db)\n",
        "            self.db.close()\n",
    ),
}
