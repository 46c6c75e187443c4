"""Servers with a certificate of their own."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from workbench.bridge.providers.mas import MasProvider
from workbench.bridge.tool import ToolError
from workbench.testing.mas_stub import MasStub
from workbench.testing.serving import serving


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Files of a certificate for 127.0.0.1 that signs itself, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lab")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return files


async def test_a_certificate_of_ones_own_is_trusted_where_it_is_named(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    async with serving(MasStub().app, ssl_certfile=str(cert), ssl_keyfile=str(key)) as url:
        stranger = MasProvider(url)
        with pytest.raises(ToolError, match="certificate that is not trusted; name the file of its authority as ca_file"):
            await stranger.open()
        await stranger.close()
        friend = MasProvider(url, ca_file=cert)
        assert await friend.open()
        await friend.close()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_certificates_is_told(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ToolError, match=r"ca_file .*ca\.pem' holds no certificates"):
        MasProvider("https://127.0.0.1", ca_file=file)
