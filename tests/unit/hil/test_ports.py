"""Ports: free or not, and who holds them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from hil import ports
from rtcore.errors import HostError

LISTENER = """
import socket, time
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True); time.sleep(60)
"""


@pytest.fixture
def taken() -> object:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_free_port_is_free_and_port_zero_always_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not ports.is_free("127.0.0.1", port)
    assert ports.is_free("127.0.0.1", port)
    assert ports.is_free("127.0.0.1", 0)
    assert ports.holder(port) is None


def test_port_with_a_closing_connection_is_free_as_it_is_for_the_servers() -> None:
    """A restarted gateway must get its port back while old connections are in TIME_WAIT."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        peer, _ = server.accept()
        peer.close()  # the server closes first: TIME_WAIT is on its side
        client.close()
    assert ports.is_free("127.0.0.1", port)


def test_holder_is_this_process_for_its_own_socket(taken: int) -> None:
    found = ports.holder(taken, "127.0.0.1")
    assert found is not None
    assert (found.address, found.port, found.uid, found.pid) == ("127.0.0.1", taken, os.getuid(), os.getpid())
    assert found.command


def test_refusal_names_port_and_holder_of_another_process() -> None:
    with subprocess.Popen([sys.executable, "-c", LISTENER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            with pytest.raises(HostError) as caught:
                ports.require_free("127.0.0.1", port, "Modbus TCP")
        finally:
            process.kill()
    text = str(caught.value)
    assert f"127.0.0.1:{port}" in text
    assert f"pid {process.pid}" in text
    assert "python" in text
    assert text.startswith("Modbus TCP: cannot listen on")


def test_listener_on_all_addresses_clashes_with_loopback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ports.holder(port, "0.0.0.0") is not None
        assert ports.holder(port, "127.0.0.2") is None


def test_ipv6_listener_is_found() -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this host has no IPv6 loopback")
    with server:
        port = server.getsockname()[1]
        assert not ports.is_free("::1", port)
        found = ports.holder(port, "::1")
        assert found is not None
        assert found.address == "::1"


def test_address_that_is_not_ours_is_named_as_such() -> None:
    error = ports.bind_error("192.0.2.1", 5020)  # TEST-NET-1: nobody has it; bind sends nothing
    assert error is not None
    assert "no interface of this machine has that address" in ports.refusal(
        "192.0.2.1", 5020, "OPC UA", error
    )


def test_low_port_without_permission_says_what_to_do() -> None:
    text = ports.refusal("127.0.0.1", 502, "Modbus TCP", PermissionError(13, "Permission denied"))
    assert "ip_unprivileged_port_start=502" in text
    assert "choose a higher port" in text
