"""A measuring OPC UA client: subscribes to many items and says how late and how complete they came.

Works on whole publish responses, without a handler call per value, so that it costs little
beside the server that it measures.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from asyncua import Client, ua

WARM_UP_S = 1.0
QUEUE = 10
SESSION_MS = 60_000


class Watch:
    """What came: lag of every value [ms], how many, how many never did.

    Judged as it comes and kept as plain numbers: a client that hoards responses is soon busy
    collecting garbage, and measures that.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._last_s: dict[int, float] = {}
        self.lag_ms: list[float] = []
        self.n_missed = 0
        self.seconds = 0.0
        self.is_on = False

    def take(self, arrived_s: float, result: Any) -> None:
        """Judge one publish response."""
        for block in result.NotificationMessage.NotificationData or []:
            for item in block.MonitoredItems:
                source_s = item.Value.SourceTimestamp.timestamp()
                if self.is_on:
                    self.lag_ms.append(1e3 * (arrived_s - source_s))
                    self._look_for_gap(source_s - self._last_s.get(item.ClientHandle, source_s))
                self._last_s[item.ClientHandle] = source_s

    def _look_for_gap(self, gap_s: float) -> None:
        if gap_s > 1.5 * self._interval_s:
            self.n_missed += round(gap_s / self._interval_s) - 1


async def watch(
    url: str,
    node_ids: list[str],
    interval_ms: float,
    seconds: float,
    on_start: Callable[[], None] = lambda: None,
) -> Watch:
    """Monitor ``node_ids`` of a server for some time; every item must change every interval.

    Lag runs from the source time stamp to the arrival of the whole response here, on one
    clock. A value is missed when an item's source times are further apart than one and a half
    intervals.
    """
    seen = Watch(interval_ms / 1e3)

    async def on_publish(result: Any) -> None:
        seen.take(time.time(), result)

    client = Client(url)
    client.session_timeout = SESSION_MS
    async with client:
        await _subscribe(client, node_ids, interval_ms, on_publish)
        await asyncio.sleep(WARM_UP_S)
        on_start()
        started = time.monotonic()
        seen.is_on = True
        await asyncio.sleep(seconds)
        seen.is_on = False
        seen.seconds = time.monotonic() - started
    return seen


async def _subscribe(client: Any, node_ids: list[str], interval_ms: float, on_publish: Any) -> None:
    params = ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=interval_ms,
        RequestedLifetimeCount=1000,
        RequestedMaxKeepAliveCount=20,
        MaxNotificationsPerPublish=0,
        PublishingEnabled=True,
    )
    made = await client.uaclient.create_subscription(params, on_publish)
    value = ua.AttributeIds.Value
    items = [
        ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=ua.NodeId.from_string(key), AttributeId=value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=handle, SamplingInterval=interval_ms, QueueSize=QUEUE, DiscardOldest=True
            ),
        )
        for handle, key in enumerate(node_ids)
    ]
    request = ua.CreateMonitoredItemsParameters(
        SubscriptionId=made.SubscriptionId,
        TimestampsToReturn=ua.TimestampsToReturn.Both,
        ItemsToCreate=items,
    )
    for result in await client.uaclient.create_monitored_items(request):
        result.StatusCode.check()
