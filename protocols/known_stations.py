"""Stations met over encrypted sessions, by the key they showed first: another one is refused."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from protocols.station_errors import StationError, Trouble

FILE = "known_stations.json"
"""Beside the console's own certificate; mode 0600; address -> fingerprint."""


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate's public key: a renewed certificate for the same key keeps it."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def check(folder: Path, address: str, found: str) -> None:
    """Compare the key of a station with the one it showed before; one met for the first time is let pass.

    Raises
    ------
    StationError
        It is another one, or the file cannot be read.
    """
    known = _known(folder / FILE).get(address)
    if known is not None and known != found:
        raise StationError(
            Trouble.CERTIFICATE,
            f"{address} shows another key than it did before: it was installed anew, or something stands "
            f"between. Nothing was sent. Ask whoever runs it; if it is right, remove {address} from "
            f"{folder / FILE}",
        )


def remember(folder: Path, address: str, found: str) -> None:
    """Keep the key that a station showed; one that is kept already is not replaced.

    Raises
    ------
    StationError
        It cannot be written.
    """
    path = folder / FILE
    known = _known(path)
    if known.setdefault(address, found) != found or _known(path) == known:
        return
    new = path.with_suffix(f".{os.getpid()}")
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump(known, file, indent=1, sort_keys=True)
        new.replace(path)
    except OSError as error:
        raise StationError(
            Trouble.CERTIFICATE, f"{path}: the station's key cannot be kept: {error.strerror}"
        ) from None


def _known(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise StationError(
            Trouble.CERTIFICATE,
            f"{path} cannot be read; with it removed, stations are met for the first time",
        )
    return found
