"""A client's session: what it may read, write and call, and how much of it in one request.

Stock asyncua lets a session touch any other's subscriptions, write anything that is writable
and take over a session whose token it guesses; here every request passes these checks, and a
write becomes a command whose verdict is the answer.
"""

from __future__ import annotations

import asyncio
import dataclasses as dc
import math
import secrets
import time
from collections.abc import Sequence
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_session import InternalSession

from protocols.accounts import Account
from protocols.command_desk import CommandDesk, Who
from protocols.gateway import OPCUA_STATUS
from protocols.opcua_build import NS_INDEX, READ
from protocols.opcua_calls import Caller, ServiceCalls
from protocols.opcua_publish import Publisher, Subscriptions
from protocols.opcua_settings import OpcuaSettings
from protocols.opcua_users import Users
from protocols.roles import may
from rtcore.commands import REASON_TEXT, Reason, Verdict
from rtcore.points import Kind, Point

MAX_RESPONSE_BYTES = 512 * 1024
"""Most bytes of byte strings and strings one read may ask for (the schemas have 340 kB each)."""

MAX_NAME_SHOWN = 64
"""Most characters of a refused name that the audit record keeps."""

SERVICES_AT_ONCE = 4
"""Most calls of services in one request: their answers are large."""

AT_ONCE = 64
"""Commands of one request that are on their way together."""

_Codes = ua.StatusCodes
_Ids = ua.AttributeIds


@dc.dataclass(slots=True)
class Station:
    """What every session shares."""

    points: Sequence[Point]
    desk: CommandDesk
    users: Users
    settings: OpcuaSettings
    publisher: Publisher
    variables: dict[ua.NodeId, int]
    methods: dict[ua.NodeId, int]
    calls: ServiceCalls | None = None

    def role_for(self, method: ua.NodeId) -> str | None:
        """Return the role that a method needs; None for one that is none of ours."""
        index = self.methods.get(method)
        if index is not None:
            return self.points[index].role
        service = self.calls.methods.get(method) if self.calls is not None else None
        return None if service is None else service.role


class Session(InternalSession):  # type: ignore[misc]  # asyncua is untyped here
    """One external session."""

    def __init__(self, station: Station, *stock: Any, **named: Any) -> None:
        super().__init__(*stock, **named)
        self._station = station
        self._settings = station.settings
        self.auth_token = ua.NodeId(secrets.token_bytes(32), 0)
        self._login: Account | None = None
        self._opened_s = time.monotonic()
        self.subscription_service: Subscriptions

    @property
    def role(self) -> str:
        """What the user may now: a changed users file counts for open sessions, too."""
        return self._station.users.role_of(self.user.name, self._login)

    def shown(self) -> dict[str, Any]:
        """Return who this is, for others to see."""
        return {
            "peer": ":".join(str(part) for part in self.name[:2]),
            "user": self.user.name or "anonymous",
            "role": self.role,
            "age_s": round(time.monotonic() - self._opened_s, 1),
        }

    def _may(self, point: Point) -> bool:
        return may(self.role, point.role)

    # ---- login

    async def create_session(self, params: Any, sockname: Any = None) -> Any:
        """Create the session with limits that are true."""
        if not math.isfinite(params.RequestedSessionTimeout or 0.0):
            params.RequestedSessionTimeout = self._settings.session_timeout_ms
        result = await super().create_session(params, sockname)
        result.MaxRequestMessageSize = self._settings.max_message_bytes
        return result

    async def identify(self, params: Any, mode: Any) -> None:
        """Check a password, in a worker thread, before the session is activated."""
        token = params.UserIdentityToken
        if not isinstance(token, ua.UserNameIdentityToken):
            return
        is_clear = not token.EncryptionAlgorithm and mode != ua.MessageSecurityMode.SignAndEncrypt
        if is_clear and not self._settings.takes_plain_password:
            raise ServiceError(_Codes.BadIdentityTokenRejected)
        name, password = self.iserver.decrypt_user_token(self, token)
        users, peer = self._station.users, self.name[0]
        is_heard = not users.is_locked_out(peer)
        self._login = await users.verify(name, password, peer)
        if self._login is not None:
            return
        if is_heard:  # who is locked out may not fill the disk either
            shown = "".join(c if c.isprintable() else "?" for c in name[:MAX_NAME_SHOWN])
            where = f"{peer}:{self.name[1]}"
            await self._station.desk.note(
                "login", protocol="opcua", peer=where, user=shown, via="", result="WRONG_NAME_OR_PASSWORD"
            )
        raise ServiceError(_Codes.BadUserAccessDenied)

    # ---- read

    async def read(self, params: Any) -> list[Any]:
        """Read attributes; points answer with the last sweep's snapshot."""
        self._limit(params.NodesToRead)
        results, size = [], 0
        for wanted in params.NodesToRead:
            data = self._read_one(wanted)
            content = data.Value.Value if data.Value is not None else None
            if isinstance(content, bytes | str):
                size += len(content)
                if size > MAX_RESPONSE_BYTES:
                    raise ServiceError(_Codes.BadResponseTooLarge)
            results.append(data)
        return (
            results
            if params.TimestampsToReturn == ua.TimestampsToReturn.Both
            else [_with_timestamps(data, params.TimestampsToReturn) for data in results]
        )

    def _read_one(self, wanted: Any) -> Any:
        if wanted.IndexRange:
            return _bad(_Codes.BadIndexRangeNoData)
        attribute = wanted.AttributeId
        if attribute == _Ids.Value:
            index = self._station.variables.get(wanted.NodeId)
            if index is not None:
                return self._station.publisher.current(index)
        elif attribute == _Ids.UserAccessLevel:
            index = self._station.variables.get(wanted.NodeId)
            if index is not None and not self._may(self._station.points[index]):
                return ua.DataValue(ua.Variant(READ, ua.VariantType.Byte))
        elif attribute == _Ids.UserExecutable:
            needed = self._station.role_for(wanted.NodeId)
            if needed is not None and not may(self.role, needed):
                return ua.DataValue(ua.Variant(False, ua.VariantType.Boolean))
        return self.aspace.read_attribute_value(wanted.NodeId, attribute)

    # ---- command

    async def write(self, params: Any) -> list[Any]:
        """Write items, each with its own verdict."""
        self._limit(params.NodesToWrite)
        return await self._in_batches([self._write_one(item) for item in params.NodesToWrite])

    async def call(self, params: Any) -> list[Any]:
        """Call methods of points and services; other methods as asyncua has them."""
        self._limit(params)
        services = self._station.calls.methods if self._station.calls is not None else {}
        if sum(request.MethodId in services for request in params) > SERVICES_AT_ONCE:
            raise ServiceError(_Codes.BadTooManyOperations)
        return await self._in_batches([self._call_one(request) for request in params])

    async def _write_one(self, item: Any) -> Any:
        code = ua.StatusCode
        index = self._station.variables.get(item.NodeId)
        if index is None or item.AttributeId != _Ids.Value:
            known = self.aspace.read_attribute_value(item.NodeId, item.AttributeId).StatusCode.value
            unknown = (_Codes.BadNodeIdUnknown, _Codes.BadAttributeIdInvalid)
            return code(known if known in unknown else _Codes.BadNotWritable)
        point = self._station.points[index]
        variant = item.Value.Value
        value = _number(variant.Value) if variant is not None else math.nan
        who = self._who(item.NodeId)
        reason = self._admit_write(point, item)
        if reason is None:
            verdict = await self._station.desk.execute([(index, value)], who)
        else:
            verdict = await self._station.desk.refuse([(index, value)], who, reason)
            if item.IndexRange and reason is Reason.WRONG_TYPE:
                return code(_Codes.BadIndexRangeNoData)
        return self._answer(index, verdict)

    def _admit_write(self, point: Point, item: Any) -> Reason | None:
        """Return why the write is refused before its value is looked at; None when it is not."""
        if not point.is_writable:
            return Reason.NOT_WRITABLE
        if not self._may(point):
            return Reason.NO_AUTHORITY
        variant = item.Value.Value
        due = ua.VariantType.Boolean if point.is_two_state else ua.VariantType.Double
        status = item.Value.StatusCode
        is_plain = variant is not None and variant.VariantType == due and not variant.is_array
        if item.IndexRange or not is_plain or variant.Value is None:
            return Reason.WRONG_TYPE
        return Reason.WRONG_TYPE if status is not None and not status.is_good() else None

    async def _call_one(self, request: Any) -> Any:
        index = self._station.methods.get(request.MethodId)
        result = ua.CallMethodResult()
        if index is None:
            return await self._call_other(request)
        point = self._station.points[index]
        arguments = request.InputArguments or []
        if request.ObjectId != ua.NodeId(point.device, NS_INDEX):
            result.StatusCode = ua.StatusCode(_Codes.BadMethodInvalid)
        elif arguments:
            result.StatusCode = ua.StatusCode(_Codes.BadTooManyArguments)
        else:
            verdict = await self._command(index, request.MethodId)
            result.StatusCode = self._answer(index, verdict)
            result.OutputArguments = [
                ua.Variant(self._text(point, verdict), ua.VariantType.String),
                ua.Variant(max(verdict.step, 0), ua.VariantType.UInt64),
            ]
        return result

    async def _call_other(self, request: Any) -> Any:
        """Call a service, or a method of the server's own."""
        calls = self._station.calls
        service = calls.methods.get(request.MethodId) if calls is not None else None
        if calls is None or service is None:
            return (await super().call([request]))[0]
        caller = Caller(self._who(request.MethodId), self.role)
        return await calls.call(service, request.ObjectId, request.InputArguments or [], caller)

    async def _command(self, index: int, nodeid: Any) -> Verdict:
        assert self._station.points[index].kind is Kind.CONTROL, self._station.points[index].tag
        who = self._who(nodeid)
        return await self._station.desk.execute([(index, 1.0)], who)

    def _text(self, point: Point, verdict: Verdict) -> str:
        needs = f", it needs the role {point.role}" if verdict.reason is Reason.NO_AUTHORITY else ""
        return REASON_TEXT[verdict.reason] + needs

    def _answer(self, index: int, verdict: Verdict) -> Any:
        if verdict.is_done:
            self._station.publisher.refresh(index)
        return ua.StatusCode(getattr(_Codes, OPCUA_STATUS[verdict.reason]))

    def _who(self, nodeid: Any) -> Who:
        peer = ":".join(str(part) for part in self.name[:2])
        return Who("opcua", peer, self.user.name or "anonymous", nodeid.to_string(), self.role)

    @staticmethod
    async def _in_batches(work: list[Any]) -> list[Any]:
        """Run the items in order, a batch at a time; commands of a batch go out in their order."""
        results: list[Any] = []
        for at in range(0, len(work), AT_ONCE):
            results += await asyncio.gather(*work[at : at + AT_ONCE])
        return results

    # ---- browse

    async def browse(self, params: Any) -> list[Any]:
        """Browse, within the limit of operations."""
        self._limit(params.NodesToBrowse)
        return await super().browse(params)  # type: ignore[no-any-return]

    async def translate_browsepaths_to_nodeids(self, params: Any) -> list[Any]:
        """Translate paths; an empty path is the client's mistake, not the server's."""
        self._limit(params)
        if any(not path.RelativePath.Elements for path in params):
            raise ServiceError(_Codes.BadBrowseNameInvalid)
        return await super().translate_browsepaths_to_nodeids(params)  # type: ignore[no-any-return]

    async def history_read(self, params: Any) -> list[Any]:
        """Refuse: the server keeps no history."""
        raise ServiceError(_Codes.BadHistoryOperationUnsupported)

    # ---- subscriptions: one's own only

    async def create_subscription(self, params: Any, callback: Any, request_callback: Any = None) -> Any:
        """Create a subscription, up to the limit per session."""
        mine = sum(1 for s in self.subscription_service.subscriptions.values() if self._owns(s))
        if mine >= self._settings.max_subscriptions_per_session:
            raise ServiceError(_Codes.BadTooManySubscriptions)
        return await super().create_subscription(params, callback, request_callback)

    async def create_monitored_items(self, params: Any) -> Any:
        """Create items in one's own subscription, up to the limit per session."""
        self._limit(params.ItemsToCreate)
        self._check_mine(params.SubscriptionId)
        items = sum(
            len(s.monitored_item_srv._monitored_items)
            for s in self.subscription_service.subscriptions.values()
            if self._owns(s)
        )
        if items + len(params.ItemsToCreate) > self._settings.max_items_per_session:
            raise ServiceError(_Codes.BadTooManyMonitoredItems)
        return await super().create_monitored_items(params)

    async def modify_monitored_items(self, params: Any) -> Any:
        """Modify items of one's own subscription."""
        self._limit(params.ItemsToModify)
        self._check_mine(params.SubscriptionId)
        return await super().modify_monitored_items(params)

    async def delete_monitored_items(self, params: Any) -> Any:
        """Delete items of one's own subscription."""
        self._limit(params.MonitoredItemIds)
        self._check_mine(params.SubscriptionId)
        return await super().delete_monitored_items(params)

    async def set_monitoring_mode(self, params: Any) -> Any:
        """Set the mode of items of one's own subscription."""
        self._limit(params.MonitoredItemIds)
        self._check_mine(params.SubscriptionId)
        return await super().set_monitoring_mode(params)

    async def set_publishing_mode(self, params: Any) -> Any:
        """Enable or disable one's own subscriptions."""
        self._limit(params.SubscriptionIds)
        params.SubscriptionIds = [i if self._is_mine(i) else 0 for i in params.SubscriptionIds]
        return await super().set_publishing_mode(params)

    async def delete_subscriptions(self, ids: Any) -> Any:
        """Delete one's own subscriptions."""
        return await super().delete_subscriptions([i if self._is_mine(i) else 0 for i in ids])

    def modify_subscription(self, params: Any) -> Any:
        """Answer with the subscription's settings, which stay as they were made."""
        self._check_mine(params.SubscriptionId)
        return super().modify_subscription(params)

    def republish(self, params: Any) -> Any:
        """Send a message again, or say that it is gone."""
        self._check_mine(params.SubscriptionId)
        message = super().republish(params)
        if not message.SequenceNumber:
            raise ServiceError(_Codes.BadMessageNotAvailable)
        return message

    def publish(self, acks: Any = None) -> Any:
        """Take acknowledgements of one's own subscriptions."""
        subscriptions = self.subscription_service.subscriptions
        mine = {i for i, s in subscriptions.items() if self._owns(s)}
        if not mine:
            raise ServiceError(_Codes.BadNoSubscription)
        self._limit(acks or [None])
        results = []
        for ack in acks or []:
            if ack.SubscriptionId in mine:
                subscriptions[ack.SubscriptionId].publish([ack.SequenceNumber])
                results.append(ua.StatusCode())
            else:
                results.append(ua.StatusCode(_Codes.BadSubscriptionIdInvalid))
        return len(mine), results

    async def transfer_subscriptions(self, params: Any, callback: Any) -> list[Any]:
        """Refuse each: subscriptions end with the channel they were made on."""
        self._limit(params.SubscriptionIds)
        refused = ua.StatusCode(_Codes.BadSubscriptionIdInvalid)
        return [ua.TransferResult(StatusCode=refused) for _ in params.SubscriptionIds]

    def _owns(self, subscription: Any) -> bool:
        return bool(subscription.session_id == self.session_id)

    def _is_mine(self, subscription_id: int) -> bool:
        subscription = self.subscription_service.subscriptions.get(subscription_id)
        return subscription is not None and self._owns(subscription)

    def _check_mine(self, subscription_id: int) -> None:
        if not self._is_mine(subscription_id):
            raise ServiceError(_Codes.BadSubscriptionIdInvalid)

    def _limit(self, operations: Any) -> None:
        if not operations:
            raise ServiceError(_Codes.BadNothingToDo)
        if len(operations) > self._settings.max_operations:
            raise ServiceError(_Codes.BadTooManyOperations)


def _number(value: Any) -> float:
    """Return a scalar as float for the audit record; NaN for what is no number."""
    return float(value) if isinstance(value, bool | int | float) else math.nan


def _bad(code: int) -> Any:
    return ua.DataValue(StatusCode=ua.StatusCode(code))


def _with_timestamps(data: Any, wanted: Any) -> Any:
    keep = ua.TimestampsToReturn
    return dc.replace(
        data,
        SourceTimestamp=data.SourceTimestamp if wanted == keep.Source else None,
        ServerTimestamp=data.ServerTimestamp if wanted == keep.Server else None,
    )
