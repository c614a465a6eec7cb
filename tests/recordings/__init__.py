"""Recordings of real producers: `make record PRODUCER=…` runs one against a scripted provider.

Each producer is one small file in `producers`, with its pinned packages in `requirements`. What it says and what
the provider answers is in `talk`. `record` writes the spans, and the truth beside them. Nothing here is imported by
the other tests, and nothing here imports the library: it runs where only the producer is installed.
"""
