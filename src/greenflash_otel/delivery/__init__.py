"""Gets requests to Greenflash: stored in the outbox, sent by the one worker, judged by the policy.

At least once on the wire, once in effect: a request has the same bytes in every attempt, and its ids make a
repeat harmless. ``worker`` (thread) → ``sender`` (one step) → ``policy`` (pure) and ``outbox`` (SQLite).
"""
