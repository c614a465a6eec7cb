"""The mistakes: a module of the conversation model, what stands there, and what is put in its place."""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """One mistake."""

    module: str
    """In `conversations`, or with its path in the package."""
    right: str
    """Stands there once."""
    wrong: str


MUTATIONS: dict[str, Mutation] = {
    "an id forgets what comes before": Mutation(
        "identity", "[namespace, before, role, canonical]", "[namespace, role, canonical]"
    ),
    "an id forgets the conversation": Mutation(
        "identity", "[namespace, before, role, canonical]", "[before, role, canonical]"
    ),
    "white space at the end makes another message": Mutation(
        "identity",
        "part.content.rstrip() for part in parts if isinstance(part, Text)).rstrip()",
        "part.content for part in parts if isinstance(part, Text))",
    ),
    "a key changes nothing": Mutation("identity", "    if not key:\n", "    if True:\n"),
    "a user message has no parent": Mutation(
        "thread",
        'type, parent_id = "user_message", position.visible',
        'type, parent_id = "user_message", None',
    ),
    "a tool call hangs on nothing": Mutation("thread", "caller or position.requested or parent_id", "caller"),
    "a result hangs on the user message": Mutation(
        "thread", "                parent_id = answered\n", "                pass\n"
    ),
    "the oldest call takes the result": Mutation("thread", "in reversed(self.calls)", "in self.calls"),
    "no answer is final": Mutation(
        "thread", '"final_response" if position.agentic and piece.ends_message', '"final_response" if False'
    ),
    "an error is an observation": Mutation(
        "thread", '"tool_error" if piece.failed else "observation"', '"observation"'
    ),
    "a turn never begins": Mutation(
        "thread",
        "after = Position(tip=id, visible=id, asked=id)",
        "after = replace(position, tip=id, visible=id)",
    ),
    "a system message ends the chain": Mutation(
        "pieces",
        "if message.role in SYSTEM_ROLES:\n        return tuple(_visible",
        "if False:\n        return tuple(_visible",
    ),
    "reasoning counts as content": Mutation(
        "pieces", "hidden = (Reasoning, ToolCall,", "hidden = (ToolCall,"
    ),
    "a provider's call is part of the chain": Mutation(
        "thread", "tip=position.tip if piece.by_provider else id", "tip=id"
    ),
    "users with the same words are one": Mutation(
        "stitching", "history of {operation.affiliation.user_id or ''}", "history"
    ),
    "chats with the same words are one": Mutation(
        "stitching",
        "claim(memory.histories, sign, stitched.conversation_id)",
        "memory.histories.remember(sign, stitched.conversation_id)",
    ),
    "a response leads nowhere": Mutation(
        "stitching",
        "elif previous and (found := memory.responses.find(previous)):",
        "elif False and (found := memory.responses.find(previous or '')):",
    ),
    "stored items are unknown": Mutation("stitching", "link = memory.items.find(name)", "link = None"),
    "a place after a response depends on the history": Mutation(
        "stitching", "return replace(place, tip=tip)", "return place"
    ),
    "a known message is told again": Mutation(
        "assemble",
        "        if item.id not in known.sent:\n            known.sent",
        "        if True:\n            known.sent",
    ),
    "time stands still": Mutation("known", "max(at_ms, self.last_ms + 1)", "at_ms"),
    "equal alternatives are one": Mutation("assemble", "        if ids & seen:", "        if False:"),
    "a fetched answer is told each time": Mutation(
        "assemble",
        "return bool(final) and not (operation.response_id and memory.told.knows(operation.response_id))",
        "return bool(final)",
    ),
    "an unfinished answer is an answer": Mutation(
        "assemble",
        '    if operation.ending == "pending":\n        return (), asked',
        "    if False:\n        return (), asked",
    ),
    "what waits is dropped": Mutation("waiting", "[*waiting.pop(key, ()), one][-most:]", "[]"),
    "what waits is never told": Mutation(
        "assemble",
        "    for held in memory.waiting.release([*turn, *call_ids]):",
        "    for held in memory.waiting.release([]):",
    ),
    "nothing is overdue": Mutation("waiting", "if now_ns is None or end_ns <= now_ns]", "if False]"),
    "a window is another conversation": Mutation(
        "alignment",
        "known.that_say(key_of_piece(namespace, links[skipped])) if len(links) > skipped else ()",
        "()",
    ),
    "a tidied answer is another": Mutation("alignment", "    return polished\n", "    return None\n"),
    "every answer is a tidied one": Mutation("alignment", "ALIKE = 0.6", "ALIKE = -1.0"),
    "a summary is said by the user": Mutation(
        "alignment", "nodes, links[0] if skipped else None", "nodes, None"
    ),
    "left-out tools end the history": Mutation(
        "alignment", "            ahead += known.after(one)", "            pass"
    ),
    "who sends no history starts anew": Mutation(
        "alignment", "        return _Alignment(known.latest)", "        return _Alignment(Position())"
    ),
    "the memory forgets the newest": Mutation(
        "bounded", "self.popitem(last=False)", "self.popitem(last=True)"
    ),
    "nothing is beside the main line": Mutation(
        "sidelines", "    if other and _quotes(known, messages):", "    if False:"
    ),
    "JSON is never beside it": Mutation("sidelines", "    if not other:", "    if True:"),
    "JSON is always beside it": Mutation("sidelines", "    if not other:", "    if False:"),
    "a span cannot name the end of what was aligned": Mutation(
        "assemble", "        known.positions.remember(tip, after)", "        pass"
    ),
    "nothing beside waits for its question": Mutation(
        "sidelines", '"early" if _comes_first(known, messages) else "beside"', '"beside"'
    ),
    "what was in doubt was beside": Mutation(
        "sidelines", "    return not goes_on and _newest(asked) == _newest(messages)", "    return True"
    ),
    "what was in doubt was not beside": Mutation(
        "sidelines", "    return not goes_on and _newest(asked) == _newest(messages)", "    return False"
    ),
    "a span delivered again is told again": Mutation(
        "assemble", "_name_of(span, operation) in known.spans", "False"
    ),
    "nothing is ever noted": Mutation("bounded", "            self._fresh += 1", "            pass"),
    "all is noted for ever": Mutation(
        "bounded", '        """Nothing of it is new any more."""\n        self._fresh = 0', "        pass"
    ),
    "only the newest is noted": Mutation("bounded", "self._fresh))[::-1]", "min(1, self._fresh)))[::-1]"),
    "noted backwards": Mutation("bounded", "self._fresh))[::-1]", "self._fresh))"),
    "who is touched is not noted": Mutation(
        "memory", "            self._touched[id] = known", "            pass"
    ),
    "a conversation is not recalled": Mutation(
        "memory",
        "self._conversations.get(id) or self._recalled(id)",
        "self._conversations.get(id) or Known(id)",
    ),
    "what is known once is recalled each time": Mutation(
        "memory", "self._conversations.get(id) or self._recalled(id)", "self._recalled(id)"
    ),
    "a name is not recalled": Mutation(
        "links", "            for value in self._recall(name):", "            for value in ():"
    ),
    "what is recalled is new": Mutation(
        "memory", "        known.noted()\n        return known", "        return known"
    ),
    "what was forgotten is recalled": Mutation("memory", "() if id in self._forgotten else", ""),
    "what was forgotten is found by the next process": Mutation(
        "memory", "            self._forgotten[id] = None", "            pass"
    ),
    "what waits is not recalled": Mutation("memory", "self.wait(key, span, operation, noted=True)", "pass"),
    "what waits is noted for ever": Mutation(
        "waiting", "            self.left[key] = None", "            pass"
    ),
    "what waits is not noted": Mutation(
        "waiting", "in (self._held,) if noted else (self._held, self.arrived)", "in (self._held,)"
    ),
    "applications share what they know": Mutation(
        "memory", 'start = f"{kind} {self._owner} "', 'start = f"{kind} "'
    ),
    "a note of another version is read": Mutation("notes", "    if version != VERSION:", "    if False:"),
    "a place loses its calls": Mutation("notes", "tuple((call, id) for call, id in calls)", "()"),
    "what waits is stored as it was said": Mutation(
        "memory", "notes.write_waiting(clean(one))", "notes.write_waiting(one)"
    ),
    "an outcome does not wait": Mutation(
        "ingest/ingest", "if len(waiting.held(span.trace_id)) < EACH:", "if False:"
    ),
    "an outcome waits for ever": Mutation("ingest/ingest", "waiting.overdue(now_ns)", "()"),
    "an outcome goes when its call comes, without it": Mutation(
        "ingest/ingest", "(*waiting.release(known), *", "("
    ),
    "an outcome is not recalled": Mutation(
        "memory", "self.outcomes.hold(key, span, now_ns + WAIT_NS, noted=True)", "pass"
    ),
    "a log record is not recalled": Mutation(
        "memory", "self.unjoined.hold(key, record, now_ns + UNJOINED_NS, most=LOGS, noted=True)", "pass"
    ),
    "what could not be noted is acknowledged": Mutation(
        "delivery/entries",
        "            if any(record.is_required for record in what.records):\n",
        "            if False:\n",
    ),
    "what was refused waits no more": Mutation(
        "ingest/ingest", "                self._memory.take_back()\n", ""
    ),
    "what is imported is late at once": Mutation(
        "ingest/ingest", "self._late(now_ns - self._behind_ns)", "self._late(now_ns)"
    ),
    "what sampling drops is noted as told": Mutation("memory", "if kept(id)}", "}"),
    "refused requests leave notes": Mutation("delivery/entries", " and None not in queues:", ":"),
    "notes that fail cost the requests": Mutation(
        "delivery/entries", "            if not what.records or any(", "            if True or any("
    ),
    "adopted notes are lost": Mutation(
        "delivery/adoption", "            state_table.copy(into, orphan)", "            pass"
    ),
    "a broken note is read": Mutation(
        "delivery/state_table", "if _checksum(topic, value) == checksum:", "if True:"
    ),
    "notes have no end": Mutation(
        "delivery/state_table", "self._rows > ROWS or self._bytes > self._limit_bytes", "False"
    ),
    "notes do not age": Mutation("delivery/state_table", "(_today() - DAYS,)", "(0,)"),
    "the newest notes go first": Mutation(
        "delivery/state_table", "ORDER BY id LIMIT 1 OFFSET ?", "ORDER BY id DESC LIMIT 1 OFFSET ?"
    ),
    "what replaces stands beside": Mutation(
        "delivery/state_table", "            if not note.appends:", "            if False:"
    ),
}
