"""Pushes the plant's values to OPC UA subscribers: changes only, at the publishing tier's rate.

Each sweep compares the newest snapshot with what was last reported (deadband, quality), builds
a new DataValue for every change and hands it straight to the monitored items, without the
deep copy and the coroutine per value of the stock path. Statuses are reported change by change, in
order, each with the instant that the core recorded; their source time is good to the microsecond
however slow the tier is. Subscriptions have no clocks of their
own: the sweep that found the changes sends them, so that a change waits for one period only.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.address_space import NodeData
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.monitored_item_service import MonitoredItemService
from asyncua.server.subscription_service import SubscriptionService
from asyncua.ua import uaprotocol_auto  # ua.DataChangeFilter is a subclass that decoding does not make

from protocols.gateway import Gateway
from protocols.opcua_settings import OpcuaSettings
from protocols.opcua_space import STATUS_NAME
from rtcore.board import Snapshot
from rtcore.points import Kind
from rtcore.quality import BAD_FROM, Quality

MAX_INTERVAL_MS = 3_600_000.0
WATCH_S = 0.1
"""How often the core's heartbeat is looked at, however slow the tier [s]."""

OnStatus = Callable[[int, float, int], None]
AfterSweep = Callable[[npt.NDArray[np.float64], npt.NDArray[np.uint8], int], None]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NULL = ua.Variant(None, ua.VariantType.Null)
_BAD_WAITING = int(Quality.BAD_WAITING)
_DEENERGISED = int(Quality.BAD_DEENERGISED)


def status_table() -> list[ua.StatusCode]:
    """Return the StatusCode of every quality byte; a byte without a name is Bad."""
    bad = ua.StatusCode(ua.StatusCodes.Bad)
    table = [bad] * 256
    for quality, name in STATUS_NAME.items():
        table[quality] = ua.StatusCode(getattr(ua.StatusCodes, name))
    return table


def utc(ns: int) -> datetime:
    """Return a UTC time [ns since 1970] as datetime, to the microsecond."""
    return EPOCH + timedelta(microseconds=ns // 1000)


def utc_ns(instant: datetime) -> int:
    """Return what ``utc`` was made of, to the microsecond [ns since 1970]."""
    since = instant - EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


class MonitoredItems(MonitoredItemService):  # type: ignore[misc]  # asyncua is untyped here
    """Monitored items of one subscription, with filters that are checked and deadbands that hold."""

    def __init__(self, isub: Any, aspace: Any, settings: OpcuaSettings) -> None:
        super().__init__(isub, aspace)
        self._settings = settings

    def _make_monitored_item_common(self, params: Any) -> Any:
        result, mdata = super()._make_monitored_item_common(params)
        asked = params.RequestedParameters
        result.RevisedSamplingInterval = self._settings.publish_ms
        # OPC 10000-4, 5.13.2.2: a queue of 0 means 1 for data changes.
        mdata.queue_size = result.RevisedQueueSize = max(1, min(asked.QueueSize, self.isub.max_queue_size))
        return result, mdata

    async def _create_data_change_monitored_item(self, params: Any) -> Any:
        wanted = params.RequestedParameters
        refusal = self._settle_filter(params.ItemToMonitor, wanted)
        if params.ItemToMonitor.IndexRange:
            refusal = ua.StatusCodes.BadIndexRangeNoData
        if refusal is not None:
            return _refused(refusal)
        return await super()._create_data_change_monitored_item(params)

    def _create_events_monitored_item(self, params: Any) -> Any:
        if not isinstance(params.RequestedParameters.Filter, ua.EventFilter):
            return _refused(ua.StatusCodes.BadMonitoredItemFilterInvalid)
        return super()._create_events_monitored_item(params)

    def _settle_filter(self, item: Any, wanted: Any) -> int | None:
        """Turn a percent deadband into an absolute one; return a status code for a wrong filter."""
        asked = wanted.Filter
        if asked is None or (isinstance(asked, ua.ExtensionObject) and asked.TypeId.is_null()):
            wanted.Filter = None
            return None
        if not isinstance(asked, uaprotocol_auto.DataChangeFilter):
            return int(ua.StatusCodes.BadMonitoredItemFilterUnsupported)
        if asked.DeadbandType == ua.DeadbandType.None_:
            return None
        span = self.isub.span_of(item.NodeId) if item.AttributeId == ua.AttributeIds.Value else None
        if span is None:
            return int(ua.StatusCodes.BadMonitoredItemFilterUnsupported)
        if not (math.isfinite(asked.DeadbandValue) and asked.DeadbandValue >= 0.0):
            return int(ua.StatusCodes.BadDeadbandFilterInvalid)
        if asked.DeadbandType == ua.DeadbandType.Percent:
            if asked.DeadbandValue > 100.0:
                return int(ua.StatusCodes.BadDeadbandFilterInvalid)
            asked.DeadbandValue *= span / 100.0
            asked.DeadbandType = ua.DeadbandType.Absolute
        return None

    def _modify_monitored_item(self, params: Any) -> Any:
        result = ua.MonitoredItemModifyResult()
        mdata = self._monitored_items.get(params.MonitoredItemId)
        wanted = params.RequestedParameters
        if mdata is None:
            result.StatusCode = ua.StatusCode(ua.StatusCodes.BadMonitoredItemIdInvalid)
            return result
        is_event = mdata.callback_handle is None
        refusal = None if is_event else self._settle_filter(mdata.read_value_id, wanted)
        if refusal is not None:
            result.StatusCode = ua.StatusCode(refusal)
            return result
        if not is_event:
            mdata.filter = wanted.Filter
        mdata.client_handle = wanted.ClientHandle
        mdata.queue_size = max(1, min(wanted.QueueSize, self.isub.max_queue_size))
        result.RevisedQueueSize = mdata.queue_size
        result.RevisedSamplingInterval = self._settings.publish_ms
        return result

    def _delete_monitored_items(self, mid: int) -> Any:
        """Delete one item; the stock method searches all items for it."""
        mdata = self._monitored_items.get(mid)
        if mdata is None:
            return ua.StatusCode(ua.StatusCodes.BadMonitoredItemIdInvalid)
        if mdata.callback_handle is None:
            return super()._delete_monitored_items(mid)
        self.aspace.delete_datachange_callback(mdata.callback_handle)
        self._monitored_datachange.pop(mdata.callback_handle, None)
        self._monitored_items.pop(mid)
        return ua.StatusCode()

    async def datachange_callback(self, handle: int, value: Any, error: Any = None) -> None:
        """Serve nodes that are not points (asyncua calls this one)."""
        if error is None:
            self.notify(handle, value)
        else:
            await self.trigger_statuschange(error)

    def notify(self, handle: int, value: Any) -> None:
        """Queue a value unless the item's filter holds it back; ``value`` is never changed later."""
        mid = self._monitored_datachange[handle]
        mdata = self._monitored_items[mid]
        if mdata.mode != ua.MonitoringMode.Reporting:
            return
        seen = mdata.mvalue
        reported = seen.current_dvalue
        if reported is not None and not _is_news(reported, value, mdata.filter):
            return
        seen.old_dvalue, seen.current_dvalue = reported, value
        queue = self.isub.queue_of(mid)
        if len(queue) >= mdata.queue_size:
            del queue[0]
        queue.append(ua.MonitoredItemNotification(mdata.client_handle, value))


def _refused(code: int) -> Any:
    result = ua.MonitoredItemCreateResult()
    result.StatusCode = ua.StatusCode(code)
    return result


def _is_news(old: Any, new: Any, filter_: Any) -> bool:
    if old.StatusCode.value != new.StatusCode.value:
        return True
    trigger = ua.DataChangeTrigger.StatusValue if filter_ is None else filter_.Trigger
    if trigger == ua.DataChangeTrigger.Status:
        return False
    if trigger == ua.DataChangeTrigger.StatusValueTimestamp and old.SourceTimestamp != new.SourceTimestamp:
        return True
    before, after = old.Value.Value, new.Value.Value
    if before == after:
        return False
    has_deadband = filter_ is not None and filter_.DeadbandType == ua.DeadbandType.Absolute
    if has_deadband and isinstance(before, float) and isinstance(after, float):
        return bool(abs(after - before) > filter_.DeadbandValue)
    return True


class Subscription(InternalSubscription):  # type: ignore[misc]  # asyncua is untyped here
    """A subscription that is sent by the publisher's sweep instead of a timer of its own."""

    due_s = 0.0
    spans: Mapping[Any, float]

    async def start(self) -> None:
        """Be due at once."""
        self._closing = False
        self.due_s = time.monotonic()

    def span_of(self, nodeid: Any) -> float | None:
        """Return the width of a point's EURange; None for nodes without one."""
        return self.spans.get(nodeid)

    def queue_of(self, mid: int) -> list[Any]:
        """Return the notifications of one item that wait to be sent."""
        waiting: list[Any] = self._triggered_datachanges.setdefault(mid, [])
        return waiting

    async def tick(self, now_s: float, slack_s: float) -> None:
        """Send what has gathered when the publishing interval has passed."""
        if now_s + slack_s < self.due_s or self._closing:
            return
        period = self.data.RevisedPublishingInterval / 1e3
        self.due_s = max(self.due_s + period, now_s + 0.5 * period)
        await self.publish_results()


class Subscriptions(SubscriptionService):  # type: ignore[misc]  # asyncua is untyped here
    """All subscriptions of the server."""

    def __init__(self, aspace: Any, iserver: Any, settings: OpcuaSettings) -> None:
        super().__init__(aspace, iserver)
        self._settings = settings
        self.spans: dict[Any, float] = {}
        self.n_failed = 0

    async def create_subscription(
        self, params: Any, callback: Any, session_id: Any, request_callback: Any = None
    ) -> Any:
        """Create one, with an interval the server can hold and a lifetime that covers it."""
        if len(self.subscriptions) >= self.iserver.max_subscriptions:
            raise ServiceError(ua.StatusCodes.BadTooManySubscriptions)
        result = ua.CreateSubscriptionResult()
        result.RevisedPublishingInterval = self._interval(params.RequestedPublishingInterval)
        keep_alive = self._clamp_keep_alive_count(params.RequestedMaxKeepAliveCount)
        lifetime = self._clamp_lifetime_count(params.RequestedLifetimeCount)
        result.RevisedMaxKeepAliveCount = keep_alive
        result.RevisedLifetimeCount = max(lifetime, 3 * keep_alive)  # OPC 10000-4, 5.14.2.2
        self._sub_id_counter += 1
        result.SubscriptionId = self._sub_id_counter
        subscription = Subscription(
            result,
            self.aspace,
            callback,
            session_id,
            request_callback=request_callback,
            delete_callback=lambda: self.subscriptions.pop(result.SubscriptionId, None),
            no_acks_limit=self.iserver.max_unacked_messages_per_subscription,
            max_queue_size=self.iserver.max_monitored_item_queue_size,
            publishing_enabled=params.PublishingEnabled,
        )
        subscription.spans = self.spans
        subscription.monitored_item_srv = MonitoredItems(subscription, self.aspace, self._settings)
        await subscription.start()
        self.subscriptions[result.SubscriptionId] = subscription
        return result

    def _interval(self, asked: float) -> float:
        least = max(self._settings.min_publishing_ms, self._settings.publish_ms)
        return min(max(asked, least), MAX_INTERVAL_MS) if math.isfinite(asked) else least

    async def tick(self, slack_s: float) -> None:
        """Send every subscription that is due; one that fails does not hold up the others."""
        for subscription in list(self.subscriptions.values()):
            try:
                await subscription.tick(time.monotonic(), slack_s)
            except Exception:  # noqa: BLE001  # a peer's broken channel; its own connection ends it
                self.n_failed += 1
            await asyncio.sleep(0)


class Publisher:
    """Keeps the address space equal to the board, within each point's deadband."""

    def __init__(
        self,
        gateway: Gateway,
        records: Mapping[int, NodeData],
        subscriptions: Subscriptions,
        publish_ms: float,
    ) -> None:
        points = gateway.points
        self._gateway = gateway
        self._subscriptions = subscriptions
        self._period_s = publish_ms / 1e3
        self._is_bit = [p.is_two_state for p in points]
        self._values_of = {
            i: r.attributes[ua.AttributeIds.Value]
            for i, r in records.items()
            if points[i].kind is not Kind.CONTROL
        }
        exact = [p.is_two_state or p.kind is Kind.SETPOINT for p in points]
        self._deadband = np.where(exact, 0.0, [p.deadband for p in points])
        self._is_shown = np.array([i in self._values_of for i in range(len(points))], np.bool_)
        self._status = status_table()
        n = len(points)
        self._values: npt.NDArray[np.float64] = np.zeros(n)
        self._quality: npt.NDArray[np.uint8] = np.full(n, _BAD_WAITING, np.uint8)
        self._reported, self._reported_quality = self._values.copy(), self._quality.copy()
        self._source = self._server = utc(time.time_ns())
        self._is_alive, self._step = False, -1
        self._watched: frozenset[int] = frozenset()
        self._on_status: OnStatus = _nobody
        self._followers: list[AfterSweep] = []
        self.n_changes = 0
        self.n_stretched = 0
        self.longest_ms = 0.0

    def watch(self, points: Iterable[int], on_status: OnStatus) -> None:
        """Have every change of some statuses told, in order: index, value, time [ns since 1970 UTC]."""
        self._watched, self._on_status = frozenset(points), on_status

    def follow(self, after_sweep: AfterSweep) -> None:
        """Have something called after every sweep: values, qualities, time [ns since 1970 UTC]."""
        self._followers.append(after_sweep)

    def current(self, index: int) -> ua.DataValue:
        """Return a point as of the last sweep, deadband or not."""
        return self._data_value(index, float(self._values[index]), int(self._quality[index]))

    def sweep(self) -> int:
        """Take the newest snapshot and report what changed; return how many points did."""
        self._take()
        told = self._tell_changes()
        moved = np.abs(self._values - self._reported) > self._deadband
        changed = np.flatnonzero((moved | (self._quality != self._reported_quality)) & self._is_shown)
        values, quality = self._values[changed].tolist(), self._quality[changed].tolist()
        for index, value, q in zip(changed.tolist(), values, quality, strict=True):
            self._report(index, value, q)
        self._reported[changed] = self._values[changed]
        self._reported_quality[changed] = self._quality[changed]
        self.n_changes += told + len(changed)
        for after_sweep in self._followers:
            after_sweep(self._values, self._quality, utc_ns(self._source))
        return told + len(changed)

    def _tell_changes(self) -> int:
        """Report every change of a status since the last sweep; return how many."""
        if not self._is_alive or self._gateway.events is None:
            return 0
        told = 0
        for index, value, utc_ns in self._gateway.events.until(self._step):
            if self._is_shown[index] and value != self._reported[index]:
                self._report(index, value, int(self._quality[index]), utc(utc_ns))
                self._reported[index], self._reported_quality[index] = value, self._quality[index]
                told += 1
        return told

    def refresh(self, index: int) -> None:
        """Show one point's newest value now: a master reads back what it just wrote."""
        self._take()
        if index in self._values_of:
            self._reported[index], self._reported_quality[index] = self._values[index], self._quality[index]
            self._report(index, float(self._values[index]), int(self._quality[index]))

    async def run(self) -> None:
        """Sweep and send for ever; when a round does not fit its period, the tier is stretched."""
        due = time.monotonic()
        while True:
            started = time.monotonic()
            self.sweep()
            await self._subscriptions.tick(0.5 * self._period_s)
            now = time.monotonic()
            self.longest_ms = max(self.longest_ms, 1e3 * (now - started))
            due += self._period_s
            if now > due:
                self.n_stretched += 1
                due = now + min(now - started, self._period_s)  # leave others as much time as was taken
            await self._until(due)

    async def _until(self, due: float) -> None:
        """Wait for the next round, or less when the plant dies or comes back meanwhile."""
        was_alive = self._is_alive
        while (left := due - time.monotonic()) > 0.0:
            await asyncio.sleep(min(left, WATCH_S))
            if self._gateway.is_alive(time.monotonic_ns()) != was_alive:
                return
        await asyncio.sleep(0)

    def _take(self) -> None:
        now_ns = time.monotonic_ns()
        self._server = utc(time.time_ns())
        self._is_alive = self._gateway.is_alive(now_ns)
        if not self._is_alive:
            self._quality = np.full_like(self._quality, Quality.BAD_NO_COMMUNICATION)
            self._source = self._server
            return
        snapshot = self._gateway.snapshot(now_ns)
        if snapshot is not None:
            self._values, self._quality = _finite(snapshot)
            self._source, self._step = utc(snapshot.utc_ns), snapshot.step

    def _report(self, index: int, value: float, quality: int, source: datetime | None = None) -> None:
        data = self._data_value(index, value, quality, source)
        if index in self._watched and quality < BAD_FROM:
            self._on_status(index, value, utc_ns(source or self._source))
        attribute = self._values_of[index]
        attribute.value = data
        for handle, callback in attribute.datachange_callbacks.items():
            _notify_of(callback)(handle, data)

    def _data_value(
        self, index: int, value: float, quality: int, source: datetime | None = None
    ) -> ua.DataValue:
        if quality >= BAD_FROM and quality != _DEENERGISED:
            variant = _NULL
        elif self._is_bit[index]:
            variant = ua.Variant(value != 0.0, ua.VariantType.Boolean)
        else:
            variant = ua.Variant(value, ua.VariantType.Double)
        return ua.DataValue(variant, self._status[quality], source or self._source, self._server)


def _finite(snapshot: Snapshot) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    """Return values and quality; what is not a number is Bad, whatever the plant says of it."""
    good = np.isfinite(snapshot.values)
    if good.all():
        return snapshot.values, snapshot.quality
    quality = np.where(good | (snapshot.quality >= BAD_FROM), snapshot.quality, np.uint8(Quality.BAD))
    return np.where(good, snapshot.values, 0.0), quality.astype(np.uint8)


def _nobody(index: int, value: float, utc_ns: int) -> None:
    """Take a change that nobody watches."""


def _notify_of(callback: Any) -> Callable[[int, Any], None]:
    """Return the synchronous twin of the callback that asyncua registered."""
    items: MonitoredItems = callback.__self__
    return items.notify
