"""The server's key and certificate: made once, private, never silently replaced."""

from __future__ import annotations

import datetime
import socket
import stat
from pathlib import Path

import pytest
from cryptography import x509

from hil import credentials
from hil.own_addresses import own_addresses
from rtcore.errors import HostError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    credentials.ensure_identity(tmp_path, "s", "127.0.0.1")
    (tmp_path / "opcua-key.pem").chmod(0o644)
    with pytest.raises(HostError, match="0644"):
        credentials.ensure_identity(tmp_path, "s", "127.0.0.1")


def test_the_certificate_names_the_application_and_the_host(tmp_path: Path) -> None:
    certificate, key = credentials.ensure_identity(tmp_path, "iowa240", "127.0.0.1")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    assert uris == [credentials.application_uri("iowa240")]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert key.key_size == 2048
    assert mode(tmp_path / "opcua-key.pem") == 0o600
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert left.days > 3600


def names_of(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


@pytest.mark.parametrize(
    "name",
    [
        "x" * 200,
        "Iowa 240-bus system with the 1125 kVA transformer at bus 2002",
        "Umspannwerk Süd",
        "変電所" * 30,
    ],
)
def test_any_name_of_a_station_makes_a_certificate(tmp_path: Path, name: str) -> None:
    certificate, _ = credentials.ensure_identity(tmp_path, name, "127.0.0.1")
    (uri,) = names_of(certificate).get_values_for_type(x509.UniformResourceIdentifier)
    assert uri == credentials.application_uri(name)
    assert uri.isascii() and " " not in uri
    (common,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert f"gridhil {name}".startswith(str(common.value))
    assert len(str(common.value).encode()) <= 64  # what a common name may have


def test_different_names_have_different_uris() -> None:
    names = ["a b", "a%20b", "a_b", "ä", "a"]
    assert len({credentials.application_uri(n) for n in names}) == len(names)


@pytest.mark.parametrize(
    ("station", "host", "why"),
    [("other", "127.0.0.1", "urn:gridhil:server:other"), ("s", "192.0.2.77", "192.0.2.77")],
)
def test_a_certificate_for_another_station_or_address_is_made_anew_and_said_so(
    tmp_path: Path, station: str, host: str, why: str
) -> None:
    said: list[str] = []
    first, _ = credentials.ensure_identity(tmp_path, "s", "127.0.0.1", said.append)
    assert said == []
    second, key = credentials.ensure_identity(tmp_path, station, host, said.append)
    assert second.serial_number != first.serial_number
    assert second.public_key() == key.public_key() == first.public_key()
    assert len(said) == 1
    assert said[0].endswith(f"it does not name {why}")
    again, _ = credentials.ensure_identity(tmp_path, station, host, said.append)
    assert again == second
    assert len(said) == 1


def test_a_server_on_every_address_names_each_of_them(tmp_path: Path) -> None:
    certificate, _ = credentials.ensure_identity(tmp_path, "s", "0.0.0.0")
    addresses = [str(a) for a in names_of(certificate).get_values_for_type(x509.IPAddress)]
    assert addresses == own_addresses()
    assert "0.0.0.0" not in addresses
    assert socket.gethostname() in names_of(certificate).get_values_for_type(x509.DNSName)


def test_certificate_and_key_stay_the_same(tmp_path: Path) -> None:
    first, _ = credentials.ensure_identity(tmp_path, "s", "127.0.0.1")
    again, _ = credentials.ensure_identity(tmp_path, "s", "127.0.0.1")
    assert again == first


def test_a_certificate_of_another_key_is_made_anew(tmp_path: Path) -> None:
    first, _ = credentials.ensure_identity(tmp_path, "s", "127.0.0.1")
    (tmp_path / "opcua-key.pem").unlink()
    second, key = credentials.ensure_identity(tmp_path, "s", "127.0.0.1")
    assert second != first
    assert second.public_key() == key.public_key()


def test_a_broken_key_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "opcua-key.pem"
    path.write_text("no key")
    path.chmod(0o600)
    with pytest.raises(HostError, match="opcua-key"):
        credentials.ensure_identity(tmp_path, "s", "127.0.0.1")
