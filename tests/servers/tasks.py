"""An application for Celery, as a reader of ``docs/servers.md`` writes it."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery
from celery.signals import worker_process_shutdown

import greenflash_otel as greenflash
from tests.servers.model import asked, client

FOLDER = Path(os.environ["GREENFLASH_OUTBOX"]).parent / "broker"
FOLDER.mkdir(exist_ok=True)

greenflash.instrument()


@worker_process_shutdown.connect
def end(**_: object) -> None:
    """Processes of a pool pass over `atexit`."""
    greenflash.shutdown()


app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": str(FOLDER),
    "data_folder_out": str(FOLDER),
    "control_folder": str(FOLDER / "control"),
}
model = client()


@app.task
def tell(id: str) -> None:
    """One call, whole."""
    with greenflash.conversation(id):
        model.chat.completions.create(**asked())
    (FOLDER.parent / f"told-{id}").touch()


@app.task
def stream(id: str, words: int) -> None:
    """A stream that is left open."""
    with greenflash.conversation(id):
        told = iter(model.chat.completions.create(**asked(stream=True, max_tokens=600)))
        for _ in range(words):
            next(told)
    kept.append(told)
    (FOLDER.parent / f"told-{id}").touch()


kept: list[object] = []
