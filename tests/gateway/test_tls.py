"""TLS, and certificates that senders have to show, over HTTP and over gRPC."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from greenflash_otel.errors import ConfigurationError
from greenflash_otel.gateway.receiver import OtlpReceiver, Tenant
from greenflash_otel.gateway.server import Gateway
from greenflash_otel.gateway.signals import TRACES
from greenflash_otel.gateway.tls import Tls
from tests.conftest import PRODUCT
from tests.gateway.test_gateway import JSON, Taker

grpc: Any = import_module("grpc")  # has no types


class Files:
    """An authority, what it signed for the gateway and for a sender, and somebody else's."""

    def __init__(self, folder: Path) -> None:
        authority, stranger = trustme.CA(), trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        self.gateway = self._signed(authority.issue_cert("127.0.0.1", "localhost"), folder / "gateway")
        self.sender = self._signed(authority.issue_cert("sender"), folder / "sender")
        self.stranger = self._signed(stranger.issue_cert("sender"), folder / "stranger")

    @staticmethod
    def _signed(certificate: trustme.LeafCert, stem: Path) -> tuple[Path, Path]:
        pem, key = stem.with_suffix(".pem"), stem.with_suffix(".key")
        certificate.cert_chain_pems[0].write_to_path(pem)
        certificate.private_key_pem.write_to_path(key)
        return pem, key


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def gateway(files: Files) -> Iterator[Gateway]:
    """It wants to see certificates."""
    receiver, tls = OtlpReceiver([Tenant(PRODUCT, Taker(True))]), Tls(*files.gateway, files.ca)
    with Gateway(receiver, port=0, grpc_port=0, tls=tls) as running:
        yield running


def over_http(gateway: Gateway, files: Files, shown: tuple[Path, Path] | None) -> None:
    """A request; raises if it is not taken."""
    context = ssl.create_default_context(cafile=files.ca)
    if shown:
        context.load_cert_chain(*shown)
    httpx.post(f"{gateway.url}/v1/traces", content=b"{}", headers=JSON, verify=context).raise_for_status()


def over_grpc(gateway: Gateway, files: Files, shown: tuple[Path, Path] | None) -> None:
    """A request; raises if it is not taken."""
    pair = (shown[1].read_bytes(), shown[0].read_bytes()) if shown else (None, None)
    credentials = grpc.ssl_channel_credentials(files.ca.read_bytes(), *pair)
    with grpc.secure_channel(f"localhost:{gateway.grpc_port}", credentials) as channel:
        channel.unary_unary(f"/{TRACES.service}/Export")(b"", timeout=5)


@pytest.mark.parametrize(("send", "error"), [(over_http, httpx.TransportError), (over_grpc, grpc.RpcError)])
def test_who_is_let_in(send: Any, error: type[Exception], gateway: Gateway, files: Files) -> None:
    """Whoever shows what the authority signed; nobody else."""
    send(gateway, files, files.sender)
    for shown in (None, files.stranger):
        with pytest.raises(error):
            send(gateway, files, shown)


@pytest.mark.parametrize("send", [over_http, over_grpc])
def test_without_client_certificates(send: Any, files: Files) -> None:
    """TLS alone lets anybody in."""
    receiver = OtlpReceiver([Tenant(PRODUCT, Taker(True))])
    with Gateway(receiver, port=0, grpc_port=0, tls=Tls(*files.gateway)) as running:
        send(running, files, None)


def test_files_that_cannot_be_used(files: Files, tmp_path: Path) -> None:
    """Missing, or not belonging together: told before anything is served."""
    for tls in (Tls(tmp_path / "no.pem", files.gateway[1]), Tls(files.gateway[0], files.sender[1])):
        with pytest.raises(ConfigurationError, match="TLS files"):
            Gateway(OtlpReceiver([Tenant(PRODUCT, Taker(True))]), port=0, tls=tls)
