"""The OPC UA server's key and self-signed certificate, made on the first start of a station.

The key is 0600 in the state directory; a looser one is refused. Users are in ``hil.users``.
"""

from __future__ import annotations

import datetime
import ipaddress
import socket
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hil.own_addresses import own_addresses
from hil.private_files import check_private, create
from rtcore.errors import HostError

CERTIFICATE_DAYS = 3650
KEY_BITS = 2048  # what Basic256Sha256 asks for (OPC 10000-7, 6.6.165)
COMMON_NAME_BYTES = 64  # ub-common-name (RFC 5280, appendix A.1)


def application_uri(station: str) -> str:
    """Return the server's application URI, ASCII (RFC 3986); the certificate must carry the same one."""
    return f"urn:gridhil:server:{urllib.parse.quote(station, safe='')}"


def ensure_identity(
    state_dir: Path, station: str, host: str, say: Callable[[str], None] = lambda _text: None
) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    """Load the server's certificate and key, made on the first start.

    The certificate is made again, for the same key, once it has expired, names another station or
    lacks an address that clients may reach the server by; ``say`` is told why, because clients
    that trusted the old one must trust the new one.
    """
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    key_path, certificate_path = state_dir / "opcua-key.pem", state_dir / "opcua-certificate.der"
    if not key_path.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        create(key_path, pem)
    loaded = _load_key(key_path)
    if certificate_path.exists():
        found = _load_certificate(certificate_path)
        why = _why_anew(found, loaded, _names(station, host))
        if why is None:
            return found, loaded
        say(f"the OPC UA certificate is made anew: {why}")
    made = _self_signed(loaded, station, host)
    new = certificate_path.with_suffix(".new")
    new.write_bytes(made.public_bytes(serialization.Encoding.DER))
    new.replace(certificate_path)
    return made, loaded


def _load_key(path: Path) -> rsa.RSAPrivateKey:
    check_private(path)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError):
        raise HostError(f"{path}: not a private key; delete it to make a new one") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise HostError(f"{path}: not an RSA key; delete it to make a new one")
    return key


def _load_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(path.read_bytes())
    except ValueError:
        raise HostError(f"{path}: not a certificate; delete it to make a new one") from None


def _why_anew(found: x509.Certificate, key: rsa.RSAPrivateKey, wanted: list[x509.GeneralName]) -> str | None:
    """Return why a certificate cannot be used any more, None when it can."""
    if found.public_key() != key.public_key():
        return "it belongs to another key"
    if found.not_valid_after_utc <= datetime.datetime.now(datetime.UTC):
        return "it has expired"
    try:
        held = list(found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        held = []
    missing = ", ".join(str(name.value) for name in wanted if name not in held)
    return f"it does not name {missing}" if missing else None


def _self_signed(key: rsa.RSAPrivateKey, station: str, host: str) -> x509.Certificate:
    """Application instance certificate (OPC 10000-6, 6.2.2)."""
    common = f"gridhil {station}".encode()[:COMMON_NAME_BYTES].decode(errors="ignore")
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "gridhil"),
        ]
    )
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName(_names(station, host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _names(station: str, host: str) -> list[x509.GeneralName]:
    """Return URI, addresses and host names of the server; a wildcard host stands for every own address."""
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(application_uri(station))]
    for word in dict.fromkeys((*_reached_by(host), "localhost", socket.gethostname())):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(word)))
        except ValueError:
            if word.isascii():  # a DNS name in a certificate is an IA5String
                names.append(x509.DNSName(word))
    return names


def _reached_by(host: str) -> list[str]:
    try:
        is_any = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return [host]
    return own_addresses() if is_any else [host]
