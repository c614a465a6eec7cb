"""The mistakes: a module, what it says, and what is put in its place."""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """One mistake."""

    module: str
    """Its path in the package."""
    right: str
    """Stands there once."""
    wrong: str


MUTATIONS: dict[str, Mutation] = {
    "an id forgets what comes before": Mutation(
        "message_ids/ids",
        'f"[{quote(namespace)}, {previous}, {quote(kind)}, {written}]"',
        'f"[{quote(namespace)}, {quote(kind)}, {written}]"',
    ),
    "an id forgets the conversation": Mutation(
        "message_ids/ids",
        'f"[{quote(namespace)}, {previous}, {quote(kind)}, {written}]"',
        'f"[{previous}, {quote(kind)}, {written}]"',
    ),
    "white space at the end makes another message": Mutation(
        "message_ids/ids",
        "part.content.rstrip() for part in parts if isinstance(part, Text)).rstrip()",
        "part.content for part in parts if isinstance(part, Text))",
    ),
    "a key changes nothing": Mutation("message_ids/ids", "    if not key:\n", "    if True:\n"),
    "a user message has no parent": Mutation(
        "message_ids/chain",
        'return ChainedFragment(fragment, id, "user_message", visible_id, head_id, after)',
        'return ChainedFragment(fragment, id, "user_message", None, head_id, after)',
    ),
    "a tool call hangs on nothing": Mutation(
        "message_ids/chain",
        "parent_id = caller_id or cursor.tool_preamble_id or answers_id",
        "parent_id = caller_id",
    ),
    "a result hangs on the user message": Mutation(
        "message_ids/chain",
        "        return ChainedFragment(fragment, id, type, call_message_id, cursor.head_id, cursor)\n",
        "        return ChainedFragment(fragment, id, type, cursor.turn_user_id, cursor.head_id, cursor)\n",
    ),
    "the oldest call takes the result": Mutation(
        "message_ids/chain", "in reversed(self.calls)", "in self.calls"
    ),
    "no answer is final": Mutation(
        "message_ids/chain", '"final_response" if ends_turn else', '"final_response" if False else'
    ),
    "an error is an observation": Mutation(
        "message_ids/chain", '"tool_error" if fragment.failed else "observation"', '"observation"'
    ),
    "a turn never begins": Mutation(
        "message_ids/chain",
        "after = Cursor(head_id=id, last_visible_id=id, turn_user_id=id)",
        "after = Cursor(id, id, cursor.turn_user_id, None, cursor.used_tools, cursor.calls)",
    ),
    "a preamble counts in the next message": Mutation(
        "message_ids/chain", "        if self.tool_preamble_id is None:\n", "        if True:\n"
    ),
    "a system message ends the chain": Mutation(
        "message_ids/fragments",
        "    if message.role in SYSTEM_ROLES:\n        yield from",
        "    if False:\n        yield from",
    ),
    "reasoning counts as content": Mutation(
        "message_ids/fragments", "_HIDDEN = (Reasoning, ToolCall,", "_HIDDEN = (ToolCall,"
    ),
    "a provider's call is part of the chain": Mutation(
        "message_ids/chain", "next_head = head_id if fragment.by_provider else id", "next_head = id"
    ),
    "users with the same words are one": Mutation(
        "conversations/resolve", "history of {context.user_id or ''}", "history"
    ),
    "chats with the same words are one": Mutation(
        "conversations/build",
        "self._resolution.conversation_id, is_shared=True)\n\n    def add_entry",
        "self._resolution.conversation_id)\n\n    def add_entry",
    ),
    "a response leads nowhere": Mutation(
        "conversations/resolve",
        "        location = responses.get(previous_id)\n",
        "        location = None\n",
    ),
    "stored items are unknown": Mutation(
        "conversations/resolve", "location = store.index.items.get(name)", "location = None"
    ),
    "a place after a response depends on the history": Mutation(
        "conversations/resolve", "Location(id, cursor.with_head(head_id))", "location"
    ),
    "a known message is told again": Mutation(
        "conversations/order",
        "        if item.id in emitted_ids or item.id in new:",
        "        if item.id in new:",
    ),
    "time stands still": Mutation(
        "conversations/order",
        "last_ms = max(item.created_at_ms, last_ms + 1)",
        "last_ms = item.created_at_ms",
    ),
    "equal alternatives are one": Mutation(
        "message_ids/chain", "        if ids & seen:", "        if False:"
    ),
    "a fetched answer is told each time": Mutation(
        "conversations/resolve",
        "    return not (operation.response_id and store.index.emitted_responses.has(operation.response_id))",
        "    return True",
    ),
    "an unfinished answer is an answer": Mutation(
        "conversations/align",
        '    if operation.ending == "pending":\n        return (), cursor',
        "    if False:\n        return (), cursor",
    ),
    "what waits is dropped": Mutation(
        "conversations/deferred",
        "        self._entries[key] = waiting[-max_entries:]",
        "        self._entries[key] = []",
    ),
    "what is pushed out is dropped": Mutation(
        "conversations/deferred", "            self._displaced.append(displaced)", "            pass"
    ),
    "what waits has no bound in bytes": Mutation(
        "conversations/deferred", " or self._bytes > self._max_bytes", ""
    ),
    "what was released takes up room": Mutation(
        "conversations/deferred",
        "        self._bytes -= self._sizes.pop(key)",
        "        self._sizes.pop(key)",
    ),
    "what waits is never told": Mutation(
        "conversations/build",
        "        dependents = [*self._release(list_dependent_keys(operation, call_ids))]",
        "        dependents = [*self._release([])]",
    ),
    "what was released waits on": Mutation(
        "conversations/store", "        self.deferred.release(changes.released)", "        pass"
    ),
    "nothing is overdue": Mutation(
        "conversations/deferred", "if now_ns is None or end_ns <= now_ns]", "if False]"
    ),
    "a step of a known conversation is dropped": Mutation(
        "conversations/assemble",
        "is_step(waiting.operation.name) and _is_of_no_conversation(store, waiting)",
        "is_step(waiting.operation.name)",
    ),
    "what comes back changed is another": Mutation(
        "conversations/align", "    if len(match.nodes) < count_resent(links):", "    if False:"
    ),
    "no text is like another": Mutation(
        "conversations/changed_history",
        "    if link.kind != node.kind or not link.sketch or not node.sketch:",
        "    if True:",
    ),
    "every answer is another form of the known one": Mutation(
        "conversations/changed_history", "SIMILARITY_THRESHOLD = 0.6", "SIMILARITY_THRESHOLD = -1.0"
    ),
    "an edit is another form of what was said": Mutation(
        "conversations/changed_history",
        "        if exact is not None or at >= self._resent:",
        "        if exact is not None:",
    ),
    "an unlike answer is never the known one": Mutation(
        "conversations/changed_history",
        "        return last[0] if is_shorter or not self._are_answers_as_they_were else None",
        "        return None",
    ),
    "a summary in the role of the system is said": Mutation(
        "conversations/align",
        '    if fragment.kind == "system" or known_nodes[0] is None:',
        "    if known_nodes[0] is None:",
    ),
    "a result does not find its renamed call": Mutation(
        "conversations/align",
        "                    renamed[name] = node.id",
        "                    pass",
    ),
    "strangers who ask the same are joined": Mutation(
        "conversations/exchanges",
        "        if len(answers) == 1 and (is_user_known or continues):",
        "        if answers:",
    ),
    "an answer alone names its conversation": Mutation(
        "conversations/exchanges",
        "        if known_question is not None and _is_question_of(state, question, known_question, answer):",
        "        if known_question is not None:",
    ),
    "a think block is said": Mutation(
        "message_ids/fragments", '    if role == "assistant" and has_block(parts):', "    if False:"
    ),
    "left-out tools end the history": Mutation(
        "conversations/changed_history",
        "            ahead += state.list_children(ahead[at])",
        "            pass",
    ),
    "who sends no history starts anew": Mutation(
        "conversations/align", "        return _Match(state.facts.cursor)", "        return _Match(START)"
    ),
    "the memory forgets the newest": Mutation(
        "lru", "        self.popitem(last=False)\n\n\nclass C", "        self.popitem(last=True)\n\n\nclass C"
    ),
    "nothing is beside the main line": Mutation(
        "conversations/auxiliary",
        "    if is_other and _does_quote_last_exchange(state, prepared.messages):",
        "    if False:",
    ),
    "JSON is never beside it": Mutation("conversations/auxiliary", "    if not is_other:", "    if True:"),
    "JSON is always beside it": Mutation("conversations/auxiliary", "    if not is_other:", "    if False:"),
    "a span cannot name the end of what was aligned": Mutation(
        "conversations/build", "            self._branch_cursors.append((head_id, after))", "            pass"
    ),
    "nothing beside waits for its question": Mutation(
        "conversations/auxiliary",
        "CallRole.AUXILIARY_EARLY if comes_first else CallRole.AUXILIARY",
        "CallRole.AUXILIARY",
    ),
    "what was in doubt was beside": Mutation(
        "conversations/auxiliary",
        "    return not continues and _find_newest_question(undecided) == _find_newest_question(following)",
        "    return True",
    ),
    "what was in doubt was not beside": Mutation(
        "conversations/auxiliary",
        "    return not continues and _find_newest_question(undecided) == _find_newest_question(following)",
        "    return False",
    ),
    "a span delivered again is told again": Mutation(
        "conversations/assemble", "prepared.name_in(span) in state.emitted_spans", "False"
    ),
    "a step writes what it should only find": Mutation(
        "conversations/resolve",
        "    override = None if cursor.head_id is None else (head_id, cursor.head_id)",
        "    override = None if cursor.head_id is None else (head_id, cursor.head_id)\n"
        '    known.get_state(id).parent_overrides.remember(head_id, cursor.head_id or "")',
    ),
    "nothing is ever noted": Mutation(
        "lru",
        "            self.pending_count += 1\n        self[key] = value",
        "            pass\n        self[key] = value",
    ),
    "all is noted for ever": Mutation(
        "conversations/state", "            mapping.pending_count = 0", "            pass"
    ),
    "only the newest is noted": Mutation(
        "lru", "self.pending_count))[::-1]", "min(1, self.pending_count)))[::-1]"
    ),
    "noted backwards": Mutation("lru", "self.pending_count))[::-1]", "self.pending_count))"),
    "a beginning is left out of any conversation": Mutation(
        "conversations/beginnings",
        "        return context.conversation_id == beginning.conversation_id",
        "        return True",
    ),
    "a beginning is left out before an edit": Mutation(
        "conversations/beginnings",
        '    return {link.kind for link in links[len(exact) :]} <= {"user"} and _has_answers(prepared, links)',
        "    return _has_answers(prepared, links)",
    ),
    "a field is not stored": Mutation(
        "values", "        if found != default:", '        if found != default and attribute != "facts":'
    ),
    "a field of a later version is an error": Mutation(
        "values",
        "        if name in written:",
        "        if set(written) - {one.name for one in _fields_of(hashable)}:\n"
        "            raise ValueError\n"
        "        if name in written:",
    ),
    "who is touched is not noted": Mutation(
        "conversations/store", "            self._unpersisted[id] = state", "            pass"
    ),
    "a conversation is not recalled": Mutation(
        "conversations/store",
        "self._unpersisted.get(id) or self._recall_state(id)",
        "self._unpersisted.get(id) or ConversationState(id)",
    ),
    "what is known once is recalled each time": Mutation(
        "conversations/store",
        "self._states.get(id) or self._unpersisted.get(id) or self._recall_state(id)",
        "self._recall_state(id)",
    ),
    "a name is not recalled": Mutation(
        "conversations/index",
        "        stored = self._recall(name)\n",
        "        stored: Sequence[T | None] = ()\n",
    ),
    "what is recalled is new": Mutation(
        "conversations/store", "        state.mark_persisted()\n        return state", "        return state"
    ),
    "what was forgotten is recalled": Mutation("conversations/store", "() if id in self._forgotten else", ""),
    "what was forgotten is found by the next process": Mutation(
        "conversations/store", "            self._forgotten[id] = None", "            pass"
    ),
    "what waits is not recalled": Mutation(
        "conversations/store",
        "                self._defer(waiting, is_persisted=True)",
        "                pass",
    ),
    "what waits is noted for ever": Mutation(
        "conversations/deferred", "            self._emptied[key] = None", "            pass"
    ),
    "what waits is not noted": Mutation(
        "conversations/deferred", "        if not is_persisted:\n", "        if False:\n"
    ),
    "what was refused and pushed out is lost": Mutation(
        "conversations/deferred", "[*self._returned, *self._displaced], []", "[], []"
    ),
    "applications share what they know": Mutation(
        "conversations/store", 'return f"{kind} {self._owner} "', 'return f"{kind} "'
    ),
    "a note of another version is read": Mutation(
        "conversations/persistence", "    if version != VERSION:", "    if False:"
    ),
    "a place loses its calls": Mutation("message_ids/chain", 'store_as("c", default=())', "()"),
    "what waits is stored as it was said": Mutation(
        "conversations/store",
        "persistence.write_waiting(key, redact(entry))",
        "persistence.write_waiting(key, entry)",
    ),
    "an outcome does not wait": Mutation(
        "ingest/waiting_feedback", "if len(self._waiting.peek(key)) >= ENTRIES_PER_KEY:", "if True:"
    ),
    "an outcome waits for ever": Mutation(
        "ingest/waiting_feedback", ", *self._waiting.expire(now_ns))", ",)"
    ),
    "an outcome goes when its call comes, without it": Mutation(
        "ingest/waiting_feedback", "(*self._waiting.release(known), *", "(*"
    ),
    "an outcome is not recalled": Mutation(
        "conversations/store",
        "                self.outcomes.defer(key, waiting, now_ns + find_wait_ns(key), is_persisted=True)",
        "                pass",
    ),
    "a log record is not recalled": Mutation(
        "conversations/store",
        "                self.uncorrelated.defer(key, record, until_ns, max_entries=LOGS, is_persisted=True)",
        "                pass",
    ),
    "what could not be noted is acknowledged": Mutation(
        "delivery/entries",
        "            if any(record.is_required for record in what.records):\n",
        "            if False:\n",
    ),
    "what was refused waits no more": Mutation(
        "ingest/ingest", "                self._conversations.rollback()\n", ""
    ),
    "what is imported is late at once": Mutation(
        "ingest/ingest", "self._convert_late(now_ns - self._behind_ns)", "self._convert_late(now_ns)"
    ),
    "what sampling drops is noted as recorded": Mutation("conversations/store", " if is_sampled(id)}", "}"),
    "refused requests leave notes": Mutation("delivery/entries", " and None not in queues:", ":"),
    "notes that fail cost the requests": Mutation(
        "delivery/entries", "            if not what.records or any(", "            if True or any("
    ),
    "adopted notes are lost": Mutation(
        "delivery/adoption", "            state_table.copy(into, orphan)", "            pass"
    ),
    "a broken note is read": Mutation(
        "delivery/state_table", "if _compute_checksum(topic, value) == checksum:", "if True:"
    ),
    "notes have no end": Mutation(
        "delivery/state_table", "self._rows > ROWS or self._bytes > self._limit_bytes", "False"
    ),
    "notes do not age": Mutation("delivery/state_table", "(_count_days() - DAYS,)", "(0,)"),
    "the newest notes go first": Mutation(
        "delivery/state_table", "ORDER BY id LIMIT 1 OFFSET ?", "ORDER BY id DESC LIMIT 1 OFFSET ?"
    ),
    "what replaces is added": Mutation(
        "delivery/state_table", "            if not record.appends:", "            if False:"
    ),
}
