"""A WebSocket server on loopback that plays scripts: one per connection, in the order in which they come."""

from __future__ import annotations

import json
import socket
import threading
from types import TracebackType
from typing import Any, TypeAlias

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

SDK_WARNING = r"ignore:connect\(\) must be used as a context manager:DeprecationWarning"
"""Of the SDK's own use of this version of websockets."""

Step: TypeAlias = "dict[str, Any] | str"
"""An event to send; ``take`` waits for one of the client's; ``close`` ends well; ``drop`` cuts the line."""


class Server:
    """Plays; as a context, while it is open. A script that is over waits for the client to close."""

    def __init__(self, *scripts: list[Step]) -> None:
        self._scripts = list(scripts)
        self.frames: list[Any] = []
        """What clients sent, decoded, in order."""
        self._server = serve(self._play, "127.0.0.1", 0, compression=None)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}/v1"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()

    def _play(self, connection: ServerConnection) -> None:
        script = self._scripts.pop(0)
        try:
            for step in script:
                if isinstance(step, dict):
                    connection.send(json.dumps(step))
                elif step == "take":
                    self.frames.append(json.loads(connection.recv()))
                elif step == "close":
                    connection.close()
                    return
                else:
                    connection.socket.shutdown(socket.SHUT_RDWR)
                    return
            while True:
                self.frames.append(json.loads(connection.recv()))
        except ConnectionClosed:
            return
