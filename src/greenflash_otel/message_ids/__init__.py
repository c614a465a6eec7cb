"""Compute the ids of messages, alike for capture and the conversation model. Pure.

    Message ──▶ fragments ──▶ what Greenflash calls a message, with its canonical content
            ──▶ ids       ──▶ a hash over the conversation, the id before it and that content
            ──▶ chain     ──▶ id, type and parent of each fragment, one after the other

Capture needs the ids to leave known history out of a span; the model needs them to recognise a resent
history. Neither imports the other.
"""
