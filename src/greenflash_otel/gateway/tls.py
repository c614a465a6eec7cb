"""Name the files that a gateway needs for TLS, and to recognise its senders."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenflash_otel.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """Whoever sends has to show a certificate that this one signed; None: nobody has to."""

    def make_http_context(self) -> ssl.SSLContext:
        """Return the context for HTTP. Raises `ConfigurationError` if the files cannot be used."""
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.client_ca)
            context.load_cert_chain(self.certificate, self.key)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError(f"the TLS files cannot be used: {error}") from None
        context.verify_mode = ssl.CERT_NONE if self.client_ca is None else ssl.CERT_REQUIRED
        return context

    def make_grpc_arguments(self) -> dict[str, Any]:
        """Make the arguments of ``grpc.ssl_server_credentials``."""
        return {
            "private_key_certificate_chain_pairs": [(self.key.read_bytes(), self.certificate.read_bytes())],
            "root_certificates": None if self.client_ca is None else self.client_ca.read_bytes(),
            "require_client_auth": self.client_ca is not None,
        }
