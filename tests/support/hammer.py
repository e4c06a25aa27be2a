"""Many Modbus clients at once in one thread: each connection asks again as soon as it is answered."""

from __future__ import annotations

import contextlib
import dataclasses as dc
import selectors
import socket
import threading
import time
from collections.abc import Sequence

from tests.support.modbus_rig import adu

Request = tuple[int, bytes]
"""(unit, PDU)"""


@dc.dataclass
class _Client:
    socket: socket.socket
    request: int
    sent_ns: int = 0
    data: bytes = b""


class Hammer:
    """Clients that read for ever.

    Attributes
    ----------
    answers : dict
        Request number -> the different reply PDUs that came (an image is often read twice).
    n_answers : int
        All replies.
    lost : list of float
        Monotonic times at which a connection broke [s]; it is made again.
    slowest_ms : float
        Longest time from request to reply [ms].
    """

    def __init__(
        self, port: int, requests: Sequence[Request], clients: int, reconnects: bool = False
    ) -> None:
        self.port = port
        self.requests = requests
        self.answers: dict[int, set[bytes]] = {k: set() for k in range(len(requests))}
        self.n_answers = 0
        self.lost: list[float] = []
        self.slowest_ms = 0.0
        self.error: BaseException | None = None
        self._reconnects = reconnects
        self._n = clients
        self._selector = selectors.DefaultSelector()
        self._waiting: list[tuple[float, int]] = []  # (when to connect again, request number)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Hammer:
        for k in range(self._n):
            self._connect(k % len(self.requests))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10.0)
        for key in list(self._selector.get_map().values()):
            key.data.socket.close()
        self._selector.close()
        if self.error is not None:
            raise self.error

    def _connect(self, request: int) -> None:
        client = _Client(socket.create_connection(("127.0.0.1", self.port), timeout=5.0), request)
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(client.socket, selectors.EVENT_READ, client)
        self._ask(client)

    def _ask(self, client: _Client) -> None:
        unit, pdu = self.requests[client.request]
        client.sent_ns = time.monotonic_ns()
        client.socket.sendall(adu(unit, pdu, client.request + 1))

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                for key, _ in self._selector.select(0.02):
                    self._serve(key.data)
                self._connect_again()
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            self.error = error

    def _serve(self, client: _Client) -> None:
        try:
            more = client.socket.recv(65536)
            if not more:
                raise ConnectionResetError("closed by the server")
            client.data += more
            if len(client.data) < 8 or len(client.data) < 6 + int.from_bytes(client.data[4:6], "big"):
                return
            self._take(client)
            self._ask(client)
        except OSError:
            self._selector.unregister(client.socket)
            client.socket.close()
            self.lost.append(time.monotonic())
            if not self._reconnects:
                raise
            self._waiting.append((time.monotonic() + 0.02, client.request))

    def _take(self, client: _Client) -> None:
        unit, _ = self.requests[client.request]
        data, client.data = client.data, b""
        length = int.from_bytes(data[4:6], "big")
        assert len(data) == 6 + length, "more than one answer to one request"
        assert data[:4] == (client.request + 1).to_bytes(2, "big") + b"\0\0"
        assert data[6] == unit
        self.n_answers += 1
        self.slowest_ms = max(self.slowest_ms, (time.monotonic_ns() - client.sent_ns) / 1e6)
        self.answers[client.request].add(data[7:])

    def _connect_again(self) -> None:
        now = time.monotonic()
        due = [request for at, request in self._waiting if at <= now]
        self._waiting = [(at, request) for at, request in self._waiting if at > now]
        for request in due:
            try:
                self._connect(request)
            except OSError:
                self._waiting.append((now + 0.02, request))

    @property
    def n_connected(self) -> int:
        """Connections that are up now."""
        with contextlib.suppress(RuntimeError):
            return len(self._selector.get_map())
        return 0
