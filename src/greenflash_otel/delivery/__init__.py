"""Deliver requests to Greenflash: the outbox stores them, the senders send them, the policy judges the answers.

At least once on the wire, once in effect: a request has the same bytes in every attempt, and its ids make a
repeat harmless. ``sender_pool`` (threads) → ``sender`` (one step) → ``policy`` (pure) and ``outbox`` (SQLite).
"""
