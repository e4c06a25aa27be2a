"""Guards around asyncua's decoder and transport: what a hostile or broken peer may cost.

A None channel can always be opened for discovery, and parameters are decoded before any
session check, so the decoder faces everybody. ``harden_decoder`` closes what stock asyncua
leaves open (endless loop on a negative length, padding of declared dimensions, arrays of empty
elements); ``Protocol`` frames the stream, ``Processor`` refuses what no session may ask for.
``self_test`` fails loudly when an asyncua release has moved a name that is relied on here.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import inspect
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.common.connection import SecureConnection
from asyncua.common.utils import Buffer, NotEnoughData, ServiceError
from asyncua.server import binary_server_asyncio, internal_subscription, monitored_item_service, uaprocessor
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.subscription_service import SubscriptionService
from asyncua.ua import ua_binary
from asyncua.ua.ua_binary import header_from_binary, struct_from_binary
from cryptography.exceptions import InvalidSignature

from protocols.opcua_settings import OpcuaSettings, is_loopback

ASYNCUA_VERSION = "2.1.0"
MIN_BUFFER_BYTES = 8192  # OPC 10000-6, 7.1.2.3: smaller buffers are not allowed
WRITE_BUFFER_BYTES = 1 << 20
MESSAGE_TYPES = (b"HEL", b"OPN", b"MSG", b"CLO", b"ERR")

_GUARDED = "_gridhil_guarded"
_I = ua.ObjectIds


def _binary(*names: str) -> frozenset[int]:
    return frozenset(getattr(_I, f"{name}Request_Encoding_DefaultBinary") for name in names)


DISCOVERY = _binary("GetEndpoints", "FindServers", "CloseSecureChannel")
LOGIN = _binary("CreateSession", "ActivateSession")
CREATE_SESSION, ACTIVATE_SESSION = (_binary(n) for n in ("CreateSession", "ActivateSession"))
NOBODY = _binary(
    "RegisterServer", "RegisterServer2", "AddNodes", "DeleteNodes", "AddReferences", "DeleteReferences"
)


# ---- decoder ------------------------------------------------------------------------------------


def harden_decoder() -> None:
    """Refuse negative lengths, arrays longer than their message, and false dimensions."""
    if getattr(Buffer, _GUARDED, False):
        return
    Buffer.read, Buffer.skip = _no_negative(Buffer.read), _no_negative(Buffer.skip)
    ua_binary.unpack_uatype_array = _bounded_array(ua_binary.unpack_uatype_array)
    ua_binary._reshape = _honest_reshape(ua_binary._reshape)
    setattr(Buffer, _GUARDED, True)


def _no_negative(method: Callable[[Any, int], Any]) -> Callable[[Any, int], Any]:
    def checked(self: Any, size: int) -> Any:
        if size < 0:
            raise ua.UaError("negative length")
        return method(self, size)

    return checked


def _bounded_array(decode: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def checked(vtype: Any, data: Any) -> Any:
        if isinstance(data, Buffer):
            head = data._data[data._cur_pos : data._cur_pos + 4]
            count = int.from_bytes(head, "little", signed=True)
            if not -1 <= count <= len(data) - 4:
                raise ua.UaError("array count exceeds message")
        return decode(vtype, data)

    return checked


def _honest_reshape(reshape: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def checked(flat: Any, dims: Any) -> Any:
        n = 1
        for d in dims or ():
            if d < 0:
                raise ua.UaError("negative dimension")
            n *= d
        if dims and n != len(flat):
            raise ua.UaError("dimensions do not match array length")
        return reshape(flat, dims) if n else flat

    return checked


# ---- transport ----------------------------------------------------------------------------------


class Tally:
    """Counters of one server."""

    def __init__(self) -> None:
        self.requests = 0
        self.bad_messages = 0
        self.refused_connections = 0


class Protocol(binary_server_asyncio.OPCUAProtocol):  # type: ignore[misc]  # asyncua is untyped here
    """One connection: strict framing, back-pressure instead of unbounded queues, caps."""

    def __init__(self, settings: OpcuaSettings, tally: Tally, **stock: Any) -> None:
        super().__init__(**stock)
        self.settings = settings
        self.tally = tally
        self.idle_since_s = time.monotonic()
        self._buffer: bytes = b""
        self._is_paused = False

    def connection_made(self, transport: Any) -> None:
        """Accept, or close at once when a cap is reached."""
        address = (transport.get_extra_info("peername") or ("",))[0]
        same = sum(1 for c in self.clients if c.peer_name and c.peer_name[0] == address)
        crowded = not is_loopback(address) and same >= self.settings.max_connections_per_address
        if crowded or len(self.clients) >= self.settings.max_connections:
            self.tally.refused_connections += 1
            transport.abort()
            return
        sock = transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        super().connection_made(transport)
        self.processor = Processor(self)
        self.processor.set_policies(self.policies)

    def data_received(self, data: bytes) -> None:
        """Cut frames; a header that lies ends the connection before anything is buffered for it."""
        if self.transport is not None:
            self._buffer += data
            self._pump()

    def _pump(self) -> None:
        """Move whole frames to the queue while it has room; stop reading while it has not."""
        if self.transport is None or self.transport.is_closing():
            return
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 8 and not self.messages.full():
            size = int.from_bytes(buffer[at + 4 : at + 8], "little")
            if buffer[at : at + 3] not in MESSAGE_TYPES or not 8 <= size <= self.settings.max_chunk_bytes:
                self.drop()
                return
            if len(buffer) - at < size:
                break
            frame = Buffer(buffer[at : at + size])
            try:
                header = header_from_binary(frame)
            except Exception:  # noqa: BLE001  # the peer's bytes: any failure means a bad frame
                self.drop()
                return
            self.messages.put_nowait((header, frame))
            at += size
        self._buffer = buffer[at:]
        if self.messages.full() != self._is_paused:
            self._is_paused = not self._is_paused
            (self.transport.pause_reading if self._is_paused else self.transport.resume_reading)()

    async def _process_one_msg(self, header: Any, buf: Any) -> bool:
        """Serve one message, then let the others have their turn."""
        try:
            goes_on = bool(await super()._process_one_msg(header, buf))
        except Exception:  # noqa: BLE001  # the peer's bytes: any failure means a bad message
            self.drop()
            return False
        self._pump()
        await asyncio.sleep(0)
        return goes_on

    def drop(self) -> None:
        """Count a bad message and end the connection."""
        self.tally.bad_messages += 1
        self._buffer = b""
        if self.transport is not None:
            self.transport.abort()

    def pause_writing(self) -> None:
        """End the connection of a client that does not read what it asked for."""
        if self.transport is not None:
            self.transport.abort()

    def resume_writing(self) -> None:
        """Nothing: the connection is gone by then."""

    def is_idle(self, now_s: float) -> bool:
        """Tell whether the connection has been without an activated session for too long."""
        session = self.processor.session if self.processor is not None else None
        if session is not None and session.is_activated():
            self.idle_since_s = now_s
        return now_s - self.idle_since_s > self.settings.activation_s


class Processor(uaprocessor.UaProcessor):  # type: ignore[misc]  # asyncua is untyped here
    """Messages of one channel: order of the handshake, one session per channel, no administration."""

    def __init__(self, protocol: Protocol) -> None:
        super().__init__(protocol.iserver, protocol.transport, protocol.limits)
        self._settings = protocol.settings
        self._tally = protocol.tally
        self._is_greeted = False
        self._session_watchdog_task: asyncio.Task[None] | None = None

    async def process(self, header: Any, body: Any) -> Any:
        """Refuse messages out of order, which stock asyncua serves with the security of nothing."""
        kind = header.MessageType
        if kind == ua.MessageType.Hello:
            hello = struct_from_binary(ua.Hello, body.copy())
            small = min(hello.ReceiveBufferSize, hello.SendBufferSize) < MIN_BUFFER_BYTES
            if self._is_greeted or small:
                raise ua.UaError("hello twice, or with buffers below the allowed minimum")
            self._is_greeted = True
        elif not self._is_greeted:
            raise ua.UaError("no hello")
        elif kind != ua.MessageType.SecureOpen and not self._connection.is_open():
            raise ua.UaError("no secure channel")
        return await super().process(header, body)

    async def _process_message(self, typeid: Any, requesthdr: Any, seqhdr: Any, body: Any) -> Any:
        service = typeid.Identifier if typeid.NamespaceIndex == 0 else None
        self._tally.requests += 1
        try:
            self._admit(service, requesthdr)
            if service in CREATE_SESSION:
                await self._end_watchdog()
            if service in ACTIVATE_SESSION and self.session is not None:
                params = struct_from_binary(ua.ActivateSessionParameters, body.copy())
                await self.session.identify(params, self._connection.security_policy.Mode)
            return await super()._process_message(typeid, requesthdr, seqhdr, body)
        except (ServiceError, ua.UaStatusCodeError):
            raise
        except InvalidSignature:
            self._tally.bad_messages += 1
            raise ServiceError(ua.StatusCodes.BadApplicationSignatureInvalid) from None
        except (NotEnoughData, struct.error, UnicodeDecodeError):
            self._tally.bad_messages += 1
            raise ServiceError(ua.StatusCodes.BadDecodingError) from None
        except Exception:
            self._tally.bad_messages += 1
            raise

    def _admit(self, service: int | None, requesthdr: Any) -> None:
        """Raise unless this channel may use the service now."""
        codes = ua.StatusCodes
        if service in NOBODY:
            raise ServiceError(codes.BadServiceUnsupported)
        if service in DISCOVERY:
            return
        mode = self._connection.security_policy.Mode
        if mode == ua.MessageSecurityMode.None_ and not self._settings.offers_none:
            raise ServiceError(codes.BadSecurityPolicyRejected)
        session = self.session
        is_live = session is not None and session.state.name != "Closed"
        if service in CREATE_SESSION:
            if is_live:
                raise ServiceError(codes.BadTooManySessions)
        elif session is None or not is_live or requesthdr.AuthenticationToken != session.auth_token:
            raise ServiceError(codes.BadSessionIdInvalid)

    async def _end_watchdog(self) -> None:
        """End the watch over a closed session before the next one gets its own."""
        task, self._session_watchdog_task = self._session_watchdog_task, None
        if task is not None and not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _should_close_session_on_transport_loss(self) -> bool:
        return True  # no transfer of sessions between channels, hence no orphans


# ---- self-test ----------------------------------------------------------------------------------

_RELIED_ON: tuple[tuple[Any, str, tuple[str, ...] | None], ...] = (
    (Buffer, "read", ("self", "size")),
    (Buffer, "skip", ("self", "size")),
    (ua_binary, "unpack_uatype_array", ("vtype", "data")),
    (ua_binary, "_reshape", ("flat", "dims")),
    (binary_server_asyncio.OPCUAProtocol, "_process_one_msg", ("self", "header", "buf")),
    (binary_server_asyncio.OPCUAProtocol, "connection_made", ("self", "transport")),
    (binary_server_asyncio.BinaryServer, "_make_protocol", ("self",)),
    (uaprocessor.UaProcessor, "process", ("self", "header", "body")),
    (uaprocessor.UaProcessor, "_process_message", ("self", "typeid", "requesthdr", "seqhdr", "body")),
    (uaprocessor.UaProcessor, "_should_close_session_on_transport_loss", ("self",)),
    (InternalServer, "create_session", ("self", "name", "user", "external")),
    (InternalServer, "lookup_external_session", ("self", "auth_token")),
    (InternalServer, "decrypt_user_token", ("self", "isession", "token")),
    (InternalSession, "activate_session", ("self", "params", "peer_certificate")),
    (InternalSession, "read", ("self", "params")),
    (InternalSession, "write", ("self", "params")),
    (InternalSession, "call", ("self", "params")),
    (
        SubscriptionService,
        "create_subscription",
        ("self", "params", "callback", "session_id", "request_callback"),
    ),
    (
        internal_subscription.InternalSubscription,
        "_enqueue_event",
        ("self", "mid", "eventdata", "size", "queue"),
    ),
    (monitored_item_service.MonitoredItemService, "_make_monitored_item_common", ("self", "params")),
    (monitored_item_service.MonitoredItemService, "_delete_monitored_items", ("self", "mid")),
    (monitored_item_service.MonitoredItemService, "_modify_monitored_item", ("self", "params")),
    (SecureConnection, "is_open", ("self",)),
)


def self_test() -> None:
    """Raise RuntimeError when asyncua is not the release that these guards were written for."""
    found = importlib.metadata.version("asyncua")
    if found != ASYNCUA_VERSION:
        raise RuntimeError(f"asyncua {found} is installed; the guards were written for {ASYNCUA_VERSION}")
    for owner, name, parameters in _RELIED_ON:
        member = getattr(owner, name, None)
        if member is None:
            raise RuntimeError(f"asyncua has no {owner.__name__}.{name} any more")
        if getattr(member, "__closure__", None) and getattr(Buffer, _GUARDED, False):
            continue  # already wrapped by harden_decoder
        if parameters is not None and tuple(inspect.signature(member).parameters) != parameters:
            raise RuntimeError(f"asyncua changed the parameters of {owner.__name__}.{name}")
    _decoder_test()


def _decoder_test() -> None:
    """Feed the guarded decoder the three inputs that hang or bloat the stock one."""
    attempts: tuple[Callable[[], Any], ...] = (
        lambda: Buffer(b"abcd").read(-1),
        lambda: Buffer(b"abcd").skip(-1),
        lambda: ua_binary.unpack_uatype_array(ua.VariantType.Byte, Buffer(b"\xff\xff\xff\x7f")),
        lambda: ua_binary._reshape([1.0], [1000, 1000]),
    )
    for attempt in attempts:
        try:
            attempt()
        except ua.UaError:
            continue
        raise RuntimeError("a decoder guard is not in force")
