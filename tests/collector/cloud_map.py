"""AWS Cloud Map, as far as the load-balancing exporter asks it: where are the gateways?

Of all that can tell the exporter of a change it is the one that can be had on one machine; what the exporter
does then is the same.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RESOLVER = "aws_cloud_map: {namespace: tests, service_name: gateways, interval: 100ms}"


class CloudMap:
    """As a context, it answers."""

    def __init__(self, ports: Iterable[int]) -> None:
        self.ports = list(ports)
        """Of the gateways that are there."""
        cloud_map = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                body = cloud_map._answer()
                self.send_response(200)
                self.send_header("content-type", "application/x-amz-json-1.1")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a Collector needs to ask here, as a proxy: AWS's client puts a word before the host."""
        port = self._server.server_address[1]
        return {
            "AWS_ENDPOINT_URL": "http://cloud-map.test",
            "HTTP_PROXY": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
        }

    def _answer(self) -> bytes:
        instances = [
            {"Attributes": {"AWS_INSTANCE_IPV4": "127.0.0.1", "AWS_INSTANCE_PORT": str(port)}}
            for port in self.ports
        ]
        return json.dumps({"Instances": instances}).encode()

    def __enter__(self) -> CloudMap:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
