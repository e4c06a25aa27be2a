"""OPC UA server of a station: asyncua behind the guards, fed by the publisher.

Order of start: address space, first sweep, then the socket, so that a client that can connect
finds everything in place.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from asyncua.common.connection import TransportLimits
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.binary_server_asyncio import BinaryServer
from asyncua.server.internal_server import InternalServer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from protocols import opcua_array_list, opcua_build, opcua_guards, opcua_services, opcua_space, opcua_standard
from protocols.accounts import Accounts
from protocols.command_desk import CommandDesk
from protocols.gateway import Gateway
from protocols.opcua_arrays import LiveArrays
from protocols.opcua_calls import ServiceCalls
from protocols.opcua_publish import Publisher, Subscriptions
from protocols.opcua_services import Services
from protocols.opcua_session import Session, Station
from protocols.opcua_settings import OpcuaSettings
from protocols.opcua_users import NoAdministration, Users, decrypt_password
from rtcore.points import Kind

HOUSEKEEPING_S = 1.0
_ANONYMOUS = User(role=UserRole.Anonymous)
_Ids = ua.ObjectIds
_LIMIT_NODES = (
    "MaxNodesPerRead",
    "MaxNodesPerWrite",
    "MaxNodesPerMethodCall",
    "MaxNodesPerBrowse",
    "MaxNodesPerTranslateBrowsePathsToNodeIds",
    "MaxMonitoredItemsPerCall",
)


class _InternalServer(InternalServer):  # type: ignore[misc]  # asyncua is untyped here
    """Creates guarded sessions; keeps no register of them, so none can be taken over."""

    station: Station

    def __init__(self, users: Users, settings: OpcuaSettings, standard_file: Path | None) -> None:
        super().__init__(user_manager=users)
        self._standard_file = standard_file
        self.allow_remote_admin = False
        self.disabled_clock = True  # asyncua's clock holds up the stop by a second; see _housekeeping
        self.supported_tokens = (ua.AnonymousIdentityToken, ua.UserNameIdentityToken)
        self.max_connections = settings.max_connections
        self.max_pending_activation_seconds = 0  # the reaper does it, also after a session has ended
        self.max_subscriptions = settings.max_connections * settings.max_subscriptions_per_session
        self.max_pending_messages_per_connection = settings.max_pending_messages
        self.max_session_timeout_ms = settings.session_timeout_ms
        self.min_session_timeout_ms: float = min(5000.0, settings.session_timeout_ms)
        self.max_monitored_item_queue_size = settings.max_queue
        self.max_unacked_messages_per_subscription = 64
        self.subscription_service = Subscriptions(self.aspace, self, settings)
        self.isession.subscription_service = self.subscription_service

    async def load_standard_address_space(self, shelf_file: Path | None = None) -> None:
        """Take the standard nodes from the file of the last start; without one, make them and keep them."""
        path = self._standard_file
        kept = opcua_standard.read(path) if path else None
        if kept is not None:
            self.aspace._nodes = kept
            return
        await super().load_standard_address_space(shelf_file)
        if path:
            with contextlib.suppress(OSError):  # made again at the next start
                opcua_standard.write(path, self.aspace._nodes)

    def create_session(
        self,
        name: Any,
        user: User = _ANONYMOUS,
        external: bool = False,
    ) -> Session:
        """Create a guarded session."""
        return Session(
            self.station, self, self.aspace, self.subscription_service, name, user=user, external=external
        )

    def lookup_external_session(self, auth_token: Any) -> None:
        """Find nothing: a session lives and dies with its channel."""
        return

    def register_external_session(self, session: Any) -> None:
        """Keep nothing, for the same reason."""

    def decrypt_user_token(self, isession: Any, token: Any) -> tuple[str, str]:
        """Return user name and password of a token."""
        return decrypt_password(self.private_key, isession.nonce, token)


class _Listener(BinaryServer):  # type: ignore[misc]  # asyncua is untyped here
    """The socket, with guarded connections."""

    def __init__(self, settings: OpcuaSettings, tally: opcua_guards.Tally, *stock: Any) -> None:
        super().__init__(*stock)
        self._settings = settings
        self._tally = tally

    def _make_protocol(self) -> opcua_guards.Protocol:
        return opcua_guards.Protocol(
            self._settings,
            self._tally,
            iserver=self.iserver,
            policies=self._policies,
            clients=self.clients,
            closing_tasks=self.closing_tasks,
            limits=self.limits,
        )


class OpcuaServer:
    """The server of one station.

    Parameters
    ----------
    accounts : Accounts
        Those in force; they may be replaced while the server runs.
    identity : tuple of x509.Certificate and RSAPrivateKey
        The server's certificate, whose subject alternative names hold ``application_uri``.
    standard_file : Path, optional
        Where the standard address space is kept between starts (``opcua_standard``).
    services : Services, optional
        What is served beside the points; without them there is no such object.
    """

    def __init__(
        self,
        station: str,
        gateway: Gateway,
        desk: CommandDesk,
        settings: OpcuaSettings,
        accounts: Accounts,
        identity: tuple[x509.Certificate, RSAPrivateKey],
        application_uri: str,
        standard_file: Path | None = None,
        services: Services | None = None,
    ) -> None:
        self._station_name = station
        self._gateway = gateway
        self._desk = desk
        self.settings = settings
        self._uri = application_uri
        self._standard_file = standard_file
        self._services = services
        self.users = Users(accounts, settings.lockout_failures, settings.lockout_s)
        self.tally = opcua_guards.Tally()
        self._identity = identity
        self._server: Server
        self._listener: _Listener
        self._tasks: list[asyncio.Task[None]] = []
        self.publisher: Publisher
        self.failed: asyncio.Future[None]

    @property
    def port(self) -> int:
        """Port the server listens on."""
        return int(self._listener.port)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"opc.tcp://{self.settings.host}:{self.port}{self.settings.path}"

    @property
    def n_clients(self) -> int:
        """Connections that are open now."""
        return len(self._listener.clients)

    def sessions(self) -> list[dict[str, Any]]:
        """Return the sessions that are open now: peer, user, role, age [s]."""
        found = [p.processor.session for p in self._listener.clients if p.processor is not None]
        return [s.shown() for s in found if s is not None and s.is_activated()]

    async def start(self) -> None:
        """Build the address space, open the port, publish; OSError when the port is taken."""
        logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
        opcua_guards.harden_decoder()
        opcua_guards.self_test()
        self.failed = asyncio.get_running_loop().create_future()
        gc_was_on = gc.isenabled()
        gc.disable()  # a hundred thousand live objects are made; collecting among them doubles the time
        try:
            await self._build()
        finally:
            if gc_was_on:
                gc.enable()
        gc.freeze()  # and none of them is garbage later
        self.publisher.sweep()
        await self._listen()
        for work in (self.publisher.run(), self._housekeeping()):
            task = asyncio.create_task(work)
            task.add_done_callback(self._on_task_end)
            self._tasks.append(task)

    async def stop(self) -> None:
        """Close every connection and the port."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for protocol in list(self._listener.clients):
            if protocol.transport is not None:
                protocol.transport.abort()
        await self._server.stop()

    async def _build(self) -> None:
        settings = self.settings
        iserver = _InternalServer(self.users, settings, self._standard_file)
        server = self._server = Server(iserver=iserver)
        server.name = f"gridhil {self._station_name}"
        server.product_uri = "urn:gridhil:server"
        server.manufacturer_name = "gridhil"
        server.application_type = ua.ApplicationType.Server
        server._application_uri = self._uri
        server.limits = TransportLimits(
            max_recv_buffer=settings.max_chunk_bytes,
            max_send_buffer=settings.max_chunk_bytes,
            max_chunk_count=settings.max_chunks,
            max_message_size=settings.max_message_bytes,
        )
        iserver.certificate, iserver.private_key = self._identity
        await server.init()
        index = await server.register_namespace(opcua_space.NAMESPACE)
        assert index == opcua_build.NS_INDEX, f"namespace index {index}, published {opcua_build.NS_INDEX}"
        await self._announce_limits()
        server.set_security_policy(self._policies(), NoAdministration())
        nodes = opcua_space.describe(self._gateway.points, self._station_name)
        if self._services is not None:
            nodes += opcua_services.nodes(self._station_name)
            nodes += opcua_array_list.nodes(self._station_name, self._services.arrays)
        records = opcua_build.install(iserver.aspace, nodes, settings.publish_ms)
        self._share(iserver, records)

    def _share(self, iserver: _InternalServer, records: Mapping[int, Any]) -> None:
        points = self._gateway.points
        subscriptions: Subscriptions = iserver.subscription_service
        is_method = {i: points[i].kind is Kind.CONTROL for i in records}
        self.publisher = Publisher(self._gateway, records, subscriptions, self.settings.publish_ms)
        iserver.station = Station(
            points=points,
            desk=self._desk,
            users=self.users,
            settings=self.settings,
            publisher=self.publisher,
            variables={r.nodeid: i for i, r in records.items() if not is_method[i]},
            methods={r.nodeid: i for i, r in records.items() if is_method[i]},
            calls=self._serve(self._services) if self._services is not None else None,
        )
        subscriptions.spans.update(
            {
                r.nodeid: points[i].maximum - points[i].minimum
                for i, r in records.items()
                if not is_method[i] and not points[i].is_two_state
            }
        )

    def _serve(self, services: Services) -> ServiceCalls:
        """Let alarms and arrays follow the points; return what answers calls."""
        index, book = self._gateway.index, services.alarms
        tags = {index[tag]: tag for tag in book.alarms}
        self.publisher.watch(tags, lambda i, value, utc_ns: book.take(tags[i], value, utc_ns))
        self.publisher.follow(services.swept)
        self.publisher.follow(LiveArrays(services.arrays, index, self._server.iserver.aspace).swept)
        return ServiceCalls(services, self._desk, self.sessions)

    def _policies(self) -> list[Any]:
        offered = [
            ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
            ua.SecurityPolicyType.Basic256Sha256_Sign,
        ]
        return [ua.SecurityPolicyType.NoSecurity, *offered] if self.settings.offers_none else offered

    async def _announce_limits(self) -> None:
        """Tell clients the limits of operations, so that they split their requests."""
        aspace = self._server.iserver.aspace
        for name in _LIMIT_NODES:
            node = aspace.get(ua.NodeId(getattr(_Ids, f"Server_ServerCapabilities_OperationLimits_{name}")))
            if node is not None:
                limit = ua.Variant(self.settings.max_operations, ua.VariantType.UInt32)
                node.attributes[ua.AttributeIds.Value].value = ua.DataValue(limit)

    async def _listen(self) -> None:
        settings, server = self.settings, self._server
        server.set_endpoint(f"opc.tcp://{settings.host}:{settings.port}{settings.path}")
        await server._setup_server_nodes()
        await server.iserver.start()
        self._listener = server.bserver = _Listener(
            settings, self.tally, server.iserver, settings.host, settings.port, server.limits
        )
        self._listener.set_policies(server._policies)
        await self._listener.start()

    async def _housekeeping(self) -> None:
        """Once a second: the server's clock, and connections without a session."""
        while True:
            await self._tell_time()
            now_s = time.monotonic()
            for protocol in list(self._listener.clients):
                if protocol.is_idle(now_s) and protocol.transport is not None:
                    protocol.transport.abort()
            await self._listener._close_tasks()
            await asyncio.sleep(HOUSEKEEPING_S)

    async def _tell_time(self) -> None:
        now = datetime.now(UTC)
        aspace = self._server.iserver.aspace
        clock = ua.DataValue(
            ua.Variant(now, ua.VariantType.DateTime), SourceTimestamp=now, ServerTimestamp=now
        )
        await aspace.write_attribute_value(
            ua.NodeId(_Ids.Server_ServerStatus_CurrentTime), ua.AttributeIds.Value, clock
        )
        status_id = ua.NodeId(_Ids.Server_ServerStatus)
        status = aspace.read_attribute_value(status_id, ua.AttributeIds.Value)
        if status.Value is not None and status.Value.Value is not None:
            status.Value.Value.CurrentTime = now

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        """A server that no longer publishes must not go on serving."""
        if task.cancelled() or self.failed.done():
            return
        self.failed.set_exception(task.exception() or RuntimeError("a server task ended"))
