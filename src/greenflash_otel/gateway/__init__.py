"""The gateway: takes spans and log records from any language and any Collector, and delivers conversations.

    HTTP (app) ─┐            ┌─ otlp, logs: read (pure)
                ├──▶ desk ───┤
    gRPC (rpc) ─┘            └─ pipeline of the tenant ──▶ outbox, and only then an answer

It answers success only when what was told is committed to the outbox, and otherwise in a way that makes
every OTLP sender keep it and try again; see `answers`.
"""
