"""Man in the middle on OPC UA without encryption: changes what Read and Publish show. No sockets, no clock.

Bytes go on as they came but for the values of attacked points and for endpoint addresses; sequence numbers,
request ids and the number of chunks stay, time stamps of values too. Lost communication is the station's own
status, BadNoCommunication without a value. A channel that is opened with a security policy goes through
untouched: its bytes can be neither read nor signed. So does whatever cannot be understood, and it is counted.
"""

from __future__ import annotations

import dataclasses as dc
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from protocols import opcua_endpoints, opcua_guards
from protocols.opcua_chunks import HEADER_SIZE, Message, Messages
from protocols.opcua_follow import Follower
from protocols.opcua_values import Edit, Group, edited, encoded, length_edit, scans, spot_from
from protocols.tamper_image import Image, Reading, Showing

NO_POLICY = "http://opcfoundation.org/UA/SecurityPolicy#None"
CHANNEL_SIZE = 12
"""Header of a message that opens a channel, up to its policy [bytes]."""
CHUNK_MAX = 8192
"""What every receiver takes (OPC 10000-6, 7.1.2.3) [bytes]."""


@dc.dataclass(slots=True)
class Tally:
    """Counters of all connections of a proxy."""

    encrypted: int = 0
    """Channels with a security policy."""
    malformed: int = 0
    """Messages and streams that were not understood."""
    too_long: int = 0
    """Answers that went on true because their chunks could not hold the false ones."""


class _Stream(Messages):
    """Messages of one direction; the end of understanding is counted."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def feed(self, data: bytes) -> list[bytes]:
        found = super().feed(data)
        self._tally.malformed += self.is_broken  # nothing is fed any more then
        return found


class OpcuaTamper:
    """What one connection passes through; several may share image and tally.

    Parameters
    ----------
    image : Image
        Points whose readings are falsified.
    tally : Tally
    server_port : int
        Port of the server, which its endpoint addresses have.
    address : (str, int)
        Where the client reached us; it names us as it likes if that has our port.
    """

    def __init__(self, image: Image, tally: Tally, server_port: int, address: tuple[str, int]) -> None:
        opcua_guards.harden_decoder()
        self._image, self._tally, self._server_port = image, tally, server_port
        host, self._port = address
        self._here = f"[{host}]:{self._port}" if ":" in host else f"{host}:{self._port}"
        self._follower = Follower(image.index)
        self._kinds: dict[str, ua.VariantType] = {}
        self._chunk_max, self._is_clear = CHUNK_MAX, False
        self.n_changed = 0
        """Answers that went on with false values."""

    def frames(self) -> Messages:
        """Return what cuts one direction's stream."""
        return _Stream(self._tally)

    def request(self, _t_s: float, raw: bytes) -> bytes:
        """Return the message that the server is to get: the client's, as it is."""
        try:
            self._note(raw)
        except Exception:  # noqa: BLE001 - the client's bytes: the decoder raises whatever it does
            self._tally.malformed += 1
        return raw

    def _note(self, raw: bytes) -> None:
        kind = raw[:3]
        if kind == b"HEL":
            hello = struct_from_binary(ua.Hello, Buffer(raw[HEADER_SIZE:]))
            self._chunk_max = max(self._chunk_max, hello.ReceiveBufferSize)
            if opcua_endpoints.port_of(hello.EndpointUrl) == self._port:
                self._here = urlsplit(hello.EndpointUrl).netloc
        elif kind == b"OPN":
            self._is_clear = False
            policy = struct_from_binary(ua.AsymmetricAlgorithmHeader, Buffer(raw[CHANNEL_SIZE:]))
            self._is_clear = policy.SecurityPolicyURI == NO_POLICY
            self._tally.encrypted += not self._is_clear
        elif kind == b"MSG" and self._is_clear and (message := Message.of(raw)) is not None:
            self._follower.request(message.request_id, message.body)

    def reply(self, t_s: float, raw: bytes) -> bytes:
        """Return the message that the client is to get in place of the server's."""
        try:
            message, groups, body = self._understood(raw)
        except Exception:  # noqa: BLE001 - the server's bytes: the decoder raises whatever it does
            self._tally.malformed += 1
            return raw
        if message is None:
            return raw
        sent: list[tuple[Showing, dict[str, Reading]]] = []
        edits = [e for group in groups for e in self._edits(t_s, body, group, sent)]
        if body is message.body and not edits:
            return raw
        passed = message.with_body(edited(body, edits), self._chunk_max)
        if passed is None:
            self._tally.too_long += 1
            return raw
        for showing, readings in sent:
            showing.went_out(readings)
        self.n_changed += bool(edits)
        return passed

    def _understood(self, raw: bytes) -> tuple[Message | None, list[Group], bytes]:
        """Return an answer, where attacked values are in it, and its body with addresses put right."""
        if raw[:3] == b"ACK":
            sent = struct_from_binary(ua.Acknowledge, Buffer(raw[HEADER_SIZE:])).SendBufferSize
            self._chunk_max = max(min(self._chunk_max, sent), CHUNK_MAX)
        if raw[:3] != b"MSG" or not self._is_clear or (message := Message.of(raw)) is None:
            return None, [], b""
        groups = self._follower.reply(message.request_id, message.body)
        body = None if groups else opcua_endpoints.moved(message.body, self._server_port, self._here)
        return message, groups, message.body if body is None else body

    def _edits(
        self, t_s: float, body: bytes, group: Group, sent: list[tuple[Showing, dict[str, Reading]]]
    ) -> list[Edit]:
        """Return what makes the values of a list false; adds to ``sent`` how the client will read them."""
        edits = []
        for scan in scans(group.spots):
            numbers = {tag: spot for tag, spot in scan.items() if spot.is_number_or_null}
            if not numbers:
                continue
            self._kinds |= {tag: spot.kind for tag, spot in numbers.items() if spot.kind is not None}
            showing = self._image.showing(t_s, {tag: spot.reading for tag, spot in numbers.items()})
            readings = {}
            for tag, reading in showing.false.items():
                spot = numbers[tag]
                new = encoded(body, spot, reading, self._kinds.get(tag))
                if new is not None and new != body[spot.start : spot.end]:
                    edits.append(Edit(spot.start, spot.end, new))
                    readings[tag] = spot_from(Buffer(new)).reading
            sent.append((showing, readings))
        length = length_edit(body, group, edits)
        return edits if length is None else [*edits, length]
