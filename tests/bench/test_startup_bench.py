"""The start-up bench asks until it gets data, and takes no refusal for an answer."""

from __future__ import annotations

import socket
import threading

import pytest

from hil.bench import startup
from rtcore.errors import HostError
from tests.support.opcua_rig import Rig


class SlowServer(threading.Thread):
    """A Modbus server that refuses so many times before it has data."""

    def __init__(self, refusals: int) -> None:
        super().__init__(daemon=True)
        self.left = refusals
        self.asked = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]

    def run(self) -> None:
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            with link:
                head = link.recv(256)[:6]
                self.asked += 1
                pdu = bytes((0x84, 0x0B)) if self.left > 0 else bytes((4, 12)) + bytes(12)
                self.left -= 1
                link.sendall(head[:4] + (len(pdu) + 1).to_bytes(2, "big") + b"\x01" + pdu)


def test_modbus_is_asked_until_it_answers_with_data() -> None:
    server = SlowServer(3)
    server.start()
    startup.modbus_answers(server.port, 10.0)
    assert server.asked == 4
    server.left = 1_000_000
    with pytest.raises(HostError, match="Modbus: no data within"):
        startup.modbus_answers(server.port, 0.2)
    server.listener.close()


def test_opcua_has_answered_when_a_session_reads_a_good_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "OPCUA_VALUE", "ns=2;s=FDR_B.M_1.V")
    with Rig() as rig:
        startup.opcua_answers(rig.url, 20.0)
        monkeypatch.setattr(startup, "OPCUA_VALUE", "ns=2;s=FDR_B.NOWHERE")
        with pytest.raises(HostError, match="OPC UA: no data within"):
            startup.opcua_answers(rig.url, 0.2)
