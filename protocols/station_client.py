"""A station as an operator's program sees it: one session, the points watched now, commands, services.

The client of ``hil.view`` and through it of the console. Every wait is bounded, and whatever goes wrong is a
``StationError`` whose text is for people.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses as dc
import ipaddress
import json
import logging
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography import x509

from protocols import known_stations
from protocols.opcua_space import NAMESPACE
from protocols.station_errors import StationError, Trouble, words_of

CONNECT_S = 6.0
CALL_S = 5.0
TREND_S = 20.0
CLOSE_S = 0.5
SESSION_MS = 30_000
PUBLISH_MS = 500.0
KEEP_ALIVE = 2
"""Publishing intervals without news after which the server says that there is none."""
AT_ONCE = 500
"""Items of one request."""
NS = 2

T = TypeVar("T")
Identity = tuple[str, Path, Path]


@dc.dataclass(frozen=True, slots=True)
class Update:
    """One value that came."""

    tag: str
    value: Any
    """float, bool, str, list; None where the status says that there is none."""
    status: str
    """Name of the OPC UA status code: Good, UncertainLastUsableValue, BadNoCommunication ..."""
    source: datetime | None


@dc.dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command: whether it was done, and the server's words."""

    is_done: bool
    text: str
    status: str


class StationClient:
    """One session with a station.

    Parameters
    ----------
    url : str
        ``opc.tcp://host:port/path``.
    user, password : str
        Empty: anonymous, who observes.
    on_updates : callable
        Takes the values of one publish response; an empty list is a sign of life.
    identity : callable, optional
        Returns application URI, certificate and key file of ours, for encrypted sessions; the keys of the
        stations met are kept beside them (``known_stations``).
    clock : callable
        Returns the time now (UTC), for the certificate's validity.
    """

    def __init__(
        self,
        url: str,
        user: str,
        password: str,
        on_updates: Callable[[Sequence[Update]], None],
        identity: Callable[[], Identity] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)  # said, in words, by StationError
        self.url, self.user = url, user
        self._password, self._on_updates, self._identity, self._clock = password, on_updates, identity, clock
        self._client: Any = None
        self._met: tuple[Path, str, str] | None = None
        self._subscription = 0
        self._items: dict[str, int] = {}
        self._tags: dict[int, str] = {}
        self._handle = 0
        self._watching = asyncio.Lock()

    # ---- session

    async def connect(self) -> None:
        """Open channel, session and subscription.

        Raises
        ------
        StationError
        """
        check_url(self.url)
        client = Client(self.url, timeout=CALL_S)
        client.session_timeout = SESSION_MS
        client.name = "gridhil console"
        client.application_uri = "urn:gridhil:console"
        if self.user:
            client.set_user(self.user)
            client.set_password(self._password)
        self._client = client
        try:
            await self._bounded(self._settle_security, CONNECT_S, "connecting")
            await self._bounded(client.connect, CONNECT_S, "connecting")
            if self._met is not None:
                await asyncio.to_thread(known_stations.remember, *self._met)
            await self._check_namespace()
            await self._subscribe()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the session if the server lets us, and the connection in any case."""
        client, self._client = self._client, None
        self._items.clear()
        self._tags.clear()
        if client is None:
            return
        with contextlib.suppress(StationError):
            await self._bounded(client.disconnect, CLOSE_S, "closing")
        with contextlib.suppress(Exception):
            client.disconnect_socket()

    @property
    def is_open(self) -> bool:
        """Tell whether there is a session as far as is known."""
        return self._client is not None

    async def _settle_security(self) -> None:
        """Take an encrypted session, on this machine's loopback the plain one where the server offers it.

        A password never leaves the machine in the clear, whatever a server or something before it offers.
        """
        endpoints = await self._client.connect_and_get_server_endpoints()
        self._check_certificate(endpoints)
        is_plain_offered = any(e.SecurityMode == ua.MessageSecurityMode.None_ for e in endpoints)
        certificate = next((e.ServerCertificate for e in endpoints if _is_encrypted(e)), None)
        if is_plain_offered and _is_loopback(self.url):
            return
        if certificate is not None and self._identity is not None:
            await self._encrypt(bytes(certificate))
        elif not is_plain_offered:
            raise StationError(
                Trouble.SECURITY,
                "this station takes encrypted sessions only, and there is no certificate of ours",
            )
        elif self.user:
            raise StationError(
                Trouble.SECURITY,
                "the server there offers no encrypted session, and a password is not sent in the clear to "
                "another machine; is it the right station? Without a user one can observe",
            )

    async def _encrypt(self, certificate: bytes) -> None:
        """Encrypt for the server's certificate, whose key has to be the one it showed before."""
        assert self._identity is not None
        self._client.application_uri, ours, key = await asyncio.to_thread(self._identity)
        self._met = (ours.parent, _address(self.url), known_stations.fingerprint(certificate))
        await asyncio.to_thread(known_stations.check, *self._met)
        await self._client.set_security(
            SecurityPolicyBasic256Sha256,
            str(ours),
            str(key),
            server_certificate=certificate,
            mode=ua.MessageSecurityMode.SignAndEncrypt,
        )

    def _check_certificate(self, endpoints: Sequence[Any]) -> None:
        raw = next((e.ServerCertificate for e in endpoints if e.ServerCertificate), None)
        if raw is None:
            return
        found = x509.load_der_x509_certificate(raw)
        now = self._clock()
        if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
            raise StationError(
                Trouble.CERTIFICATE,
                f"the station's certificate is valid from {found.not_valid_before_utc:%Y-%m-%d} to "
                f"{found.not_valid_after_utc:%Y-%m-%d}, and it is {now:%Y-%m-%d} now; "
                "check both clocks, then restart the station: it makes a new one",
            )

    async def _check_namespace(self) -> None:
        found = await self._bounded(self._client.get_namespace_array, CALL_S, "reading namespaces")
        if len(found) <= NS or found[NS] != NAMESPACE:
            raise StationError(
                Trouble.NO_STATION, "an OPC UA server answers there, but it is no gridhil station"
            )

    # ---- values

    async def _subscribe(self) -> None:
        params = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=PUBLISH_MS,
            RequestedLifetimeCount=60,
            RequestedMaxKeepAliveCount=KEEP_ALIVE,
            MaxNotificationsPerPublish=0,
            PublishingEnabled=True,
        )
        call = self._client.uaclient.create_subscription
        made = await self._bounded(lambda: call(params, self._on_publish), CALL_S, "subscribing")
        self._subscription = made.SubscriptionId

    async def watch(self, tags: Iterable[str]) -> list[str]:
        """Watch exactly these points and arrays (``arrays.NAME``); return those that the station has not.

        Raises
        ------
        StationError
        """
        async with self._watching:
            wanted = dict.fromkeys(tags)
            gone = [t for t in self._items if t not in wanted]
            new = [t for t in wanted if t not in self._items]
            for at in range(0, len(gone), AT_ONCE):
                await self._unwatch(gone[at : at + AT_ONCE])
            unknown: list[str] = []
            for at in range(0, len(new), AT_ONCE):
                unknown += await self._watch(new[at : at + AT_ONCE])
            return unknown

    async def _watch(self, tags: Sequence[str]) -> list[str]:
        items = []
        for tag in tags:
            self._handle += 1
            self._tags[self._handle] = tag
            items.append(
                ua.MonitoredItemCreateRequest(
                    ItemToMonitor=ua.ReadValueId(
                        NodeId=ua.NodeId(tag, NS), AttributeId=ua.AttributeIds.Value
                    ),
                    MonitoringMode=ua.MonitoringMode.Reporting,
                    RequestedParameters=ua.MonitoringParameters(
                        ClientHandle=self._handle,
                        SamplingInterval=PUBLISH_MS,
                        QueueSize=1,
                        DiscardOldest=True,
                    ),
                )
            )
        first = self._handle - len(tags) + 1
        request = ua.CreateMonitoredItemsParameters(
            SubscriptionId=self._subscription,
            TimestampsToReturn=ua.TimestampsToReturn.Source,
            ItemsToCreate=items,
        )
        found = await self._ask("create_monitored_items", request, "subscribing")
        unknown = []
        for handle, (tag, result) in enumerate(zip(tags, found, strict=True), first):
            if result.StatusCode.is_good():
                self._items[tag] = result.MonitoredItemId
            else:
                del self._tags[handle]
                unknown.append(tag)
        return unknown

    async def _unwatch(self, tags: Sequence[str]) -> None:
        ids = [self._items.pop(t) for t in tags]
        dropped = set(tags)
        self._tags = {h: t for h, t in self._tags.items() if t not in dropped}
        request = ua.DeleteMonitoredItemsParameters(SubscriptionId=self._subscription, MonitoredItemIds=ids)
        await self._ask("delete_monitored_items", request, "unsubscribing")

    async def read(self, tags: Sequence[str]) -> list[Update]:
        """Return the values of points now, without watching them.

        Raises
        ------
        StationError
        """
        found: list[Update] = []
        for at in range(0, len(tags), AT_ONCE):
            some = tags[at : at + AT_ONCE]
            request = ua.ReadParameters(
                TimestampsToReturn=ua.TimestampsToReturn.Source,
                NodesToRead=[
                    ua.ReadValueId(NodeId=ua.NodeId(tag, NS), AttributeId=ua.AttributeIds.Value)
                    for tag in some
                ],
            )
            values = await self._ask("read", request, "reading")
            found += [_update(tag, value) for tag, value in zip(some, values, strict=True)]
        return found

    async def _on_publish(self, result: Any) -> None:
        updates = []
        for block in result.NotificationMessage.NotificationData or []:
            for item in getattr(block, "MonitoredItems", None) or []:
                tag = self._tags.get(item.ClientHandle)
                if tag is not None:
                    updates.append(_update(tag, item.Value))
        self._on_updates(updates)

    # ---- commands

    async def command(self, tag: str, value: float | bool | None) -> Answer:
        """Write a setpoint, or carry out a control (``value`` None).

        Raises
        ------
        StationError
            It is not known whether it was done when ``error.is_unsure``.
        """
        if self._client is None:
            raise StationError(Trouble.LOST, "not connected")
        with _under_way():
            return await (self._call_control(tag) if value is None else self._write(tag, value))

    async def _write(self, tag: str, value: float | bool) -> Answer:
        kind = ua.VariantType.Boolean if isinstance(value, bool) else ua.VariantType.Double
        item = ua.WriteValue(
            NodeId=ua.NodeId(tag, NS),
            AttributeId=ua.AttributeIds.Value,
            Value=ua.DataValue(ua.Variant(value, kind), SourceTimestamp=None),
        )
        (code,) = await self._ask("write", ua.WriteParameters(NodesToWrite=[item]), "writing")
        return Answer(code.is_good(), words_of(code.name), code.name)

    async def _call_control(self, tag: str) -> Answer:
        found = await self._call_method(ua.NodeId(tag.rpartition(".")[0], NS), ua.NodeId(tag, NS), [], CALL_S)
        name = found.StatusCode.name
        text = str(found.OutputArguments[0].Value) if found.OutputArguments else words_of(name)
        return Answer(found.StatusCode.is_good(), text, name)

    # ---- services

    async def service(self, name: str, *arguments: ua.Variant, limit_s: float = CALL_S) -> list[Any]:
        """Call a service of the station; return its output values.

        Raises
        ------
        StationError
        """
        found = await self._call_method(
            ua.NodeId("services", NS), ua.NodeId(f"services.{name}", NS), list(arguments), limit_s
        )
        if not found.StatusCode.is_good():
            code = found.StatusCode.name
            trouble = Trouble.REFUSED
            if code in ("BadNodeIdUnknown", "BadMethodInvalid"):
                trouble = Trouble.NO_STATION
            raise StationError(trouble, f"{name}: {words_of(code)}")
        return [v.Value for v in found.OutputArguments or []]

    async def read_json(self, name: str) -> Any:
        """Return what a service says as JSON.

        Raises
        ------
        StationError
        """
        (text, *_) = await self.service(name)
        return _parsed(name, text)

    async def read_model(self) -> Any:
        """Return what the station consists of."""
        (blob,) = await self.service("ReadModel", limit_s=TREND_S)
        try:
            return _parsed("ReadModel", zlib.decompress(blob).decode())
        except (zlib.error, UnicodeDecodeError, TypeError):
            raise StationError(Trouble.NO_STATION, "the station's description cannot be read") from None

    async def read_events(self, since: int, count: int) -> tuple[int, list[dict[str, Any]]]:
        """Return the last sequence number and the events after one, oldest first."""
        vt = ua.VariantType
        last, text = await self.service(
            "ReadEvents", ua.Variant(since, vt.UInt64), ua.Variant(count, vt.UInt32), limit_s=TREND_S
        )
        return int(last), _parsed("ReadEvents", text)

    async def read_trend(
        self, tag: str, begin: datetime, end: datetime, count: int
    ) -> tuple[list[datetime], list[float], list[int]]:
        """Return times, values and qualities of what was recorded of a point, thinned to ``count``."""
        vt = ua.VariantType
        found = await self.service(
            "ReadTrend",
            ua.Variant(tag, vt.String),
            ua.Variant(begin, vt.DateTime),
            ua.Variant(end, vt.DateTime),
            ua.Variant(count, vt.UInt32),
            limit_s=TREND_S,
        )
        times, values, qualities = (list(column or []) for column in found)
        return times, [float(v) for v in values], [int(q) for q in qualities]

    async def acknowledge(self, tags: Sequence[str], comment: str) -> tuple[str, int]:
        """Acknowledge alarms, all of them where ``tags`` is empty; return words and how many.

        Raises
        ------
        StationError
            It is not known whether it was done when ``error.is_unsure``.
        """
        if self._client is None:
            raise StationError(Trouble.LOST, "not connected")
        vt = ua.VariantType
        arguments = ua.Variant(list(tags), vt.String, is_array=True), ua.Variant(comment, vt.String)
        with _under_way():
            text, count = await self.service("Acknowledge", *arguments)
        return str(text), int(count)

    # ---- bounds

    async def _call_method(self, parent: Any, method: Any, arguments: list[Any], limit_s: float) -> Any:
        request = ua.CallMethodRequest(ObjectId=parent, MethodId=method, InputArguments=arguments)
        (found,) = await self._ask("call", [request], "calling", limit_s)
        return found

    async def _ask(self, service: str, request: Any, doing: str, limit_s: float = CALL_S) -> Any:
        client = self._client
        if client is None:
            raise StationError(Trouble.LOST, "not connected")
        call = getattr(client.uaclient, service)
        return await self._bounded(lambda: call(request), limit_s, doing)

    async def _bounded(self, call: Callable[[], Awaitable[T]], limit_s: float, doing: str) -> T:
        """Carry out one call of the library; whatever goes wrong in it is a StationError."""
        where = urlsplit(self.url).netloc.rpartition("@")[2]
        try:
            async with asyncio.timeout(limit_s):
                return await call()
        except StationError:
            raise
        except TimeoutError:
            raise StationError(
                Trouble.SILENT, f"{where} gave no answer within {limit_s:g} s ({doing})"
            ) from None
        except ua.UaStatusCodeError as error:
            raise StationError.of_status(error, self.user) from None
        except OSError as error:
            raise StationError.of_os(error, where) from None
        except Exception as error:
            raise StationError(Trouble.LOST, f"{where} gave an answer that cannot be understood") from error


@contextlib.contextmanager
def _under_way() -> Iterator[None]:
    """Mark the error of something that may have been done all the same."""
    try:
        yield
    except StationError as error:
        error.is_unsure = error.trouble in (Trouble.LOST, Trouble.SILENT)
        raise


def _is_encrypted(endpoint: Any) -> bool:
    return bool(
        endpoint.ServerCertificate
        and endpoint.SecurityMode == ua.MessageSecurityMode.SignAndEncrypt
        and endpoint.SecurityPolicyUri == SecurityPolicyBasic256Sha256.URI
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}"


def check_url(url: str) -> None:
    """Raise StationError for what is no address of a station."""
    try:
        parts = urlsplit(url)
        is_right = parts.scheme == "opc.tcp" and bool(parts.hostname) and parts.port is not None
    except ValueError:
        is_right = False
    if not is_right:
        raise StationError(
            Trouble.WRONG_URL,
            f"{url!r} is no address of a station; one looks like opc.tcp://127.0.0.1:4840/gridhil",
        )


def _update(tag: str, found: Any) -> Update:
    status = "Good" if found.StatusCode is None else found.StatusCode.name
    value = found.Value.Value if found.Value is not None else None
    if isinstance(value, bool | int | float):
        value = float(value)
    return Update(tag, value, status, found.SourceTimestamp)


def _parsed(name: str, text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError):
        raise StationError(Trouble.NO_STATION, f"{name}: the answer cannot be read") from None
