"""The gateway: takes spans over OTLP/HTTP from any language and any Collector, and delivers conversations.

    request ──▶ encoding (bounded) ──▶ otlp (pure) ──▶ pipeline.take ──▶ answer

It answers 200 only when what the spans tell is committed to the outbox, and otherwise in a way that makes
every OTLP sender keep them and try again; see `app`.
"""
