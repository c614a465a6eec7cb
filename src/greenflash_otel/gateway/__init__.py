"""Receive spans and log records from any language and any Collector, and deliver conversations.

    connections ─▶ http ─┐                      ┌─▶ otlp, otlp_logs: read record by record (pure)
                         ├─▶ shares ─▶ receiver ┤
                   grpc ─┘                      └─▶ pipeline of the tenant ─▶ outbox, only then an answer

The gateway answers success only after committing a request to the outbox on disk. Transient failures are
answered so that every OTLP sender keeps the request and tries again; see `responses`. `limits` says what
a sender may ask for.
"""
