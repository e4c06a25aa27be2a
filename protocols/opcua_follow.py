"""What an OPC UA client asked for: which values of the answers are those of attacked points.

Followed are Read, CreateMonitoredItems, ModifyMonitoredItems, DeleteSubscriptions, Republish and
RegisterNodes, the latter because a client may then use another id for a node.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary

from protocols import opcua_values as values
from protocols.opcua_build import NS_INDEX
from protocols.opcua_values import Group

PENDING_MAX = 1024
"""Requests without an answer that are remembered; the oldest is forgotten first."""


def code_of(name: str) -> int:
    """Return the number that a service's message begins with."""
    return int(getattr(ua.ObjectIds, f"{name}_Encoding_DefaultBinary"))


PUBLISHED = code_of("PublishResponse")
BAD_MASK = 0x80000000


class Follower:
    """One client's requests.

    Parameters
    ----------
    tags : collection of str
        Attacked points.
    """

    def __init__(self, tags: Collection[str]) -> None:
        self._tags = frozenset(tags)
        self._aliases: dict[ua.NodeId, str] = {}
        self._pending: OrderedDict[int, tuple[int, Callable[[Buffer], list[Group]]]] = OrderedDict()
        self._handles: dict[int, dict[int, str]] = {}
        """Subscription -> client handle -> tag."""
        self._items: dict[int, dict[int, str]] = {}
        """Subscription -> monitored item -> tag."""
        self._asked = {
            code_of(f"{name}Request"): (getattr(ua, f"{name}Request"), code_of(f"{name}Response"), do)
            for name, do in (
                ("Read", self._read),
                ("CreateMonitoredItems", self._create),
                ("ModifyMonitoredItems", self._modify),
                ("DeleteSubscriptions", self._delete),
                ("Republish", self._republish),
                ("RegisterNodes", self._register),
            )
        }

    def request(self, request_id: int, body: bytes) -> None:
        """Note what a request asks for; raises what the decoder does."""
        found = self._asked.get(service_of(Buffer(body)))
        if found is None:
            return
        kind, answer, do = found
        on_answer = do(struct_from_binary(kind, Buffer(body)).Parameters)
        if on_answer is not None:
            self._pending[request_id] = (answer, on_answer)
            while len(self._pending) > PENDING_MAX:
                self._pending.popitem(last=False)

    def reply(self, request_id: int, body: bytes) -> list[Group]:
        """Return the attacked values of an answer; raises what the decoder does."""
        buffer = Buffer(body)
        service = service_of(buffer)
        due, on_answer = self._pending.pop(request_id, (0, None))
        if service == PUBLISHED and self._handles:
            on_answer = self._published
        elif on_answer is None or service != due:  # a fault, or nothing of ours
            return []
        struct_from_binary(ua.ResponseHeader, buffer)
        return on_answer(buffer)

    def _tag(self, node: Any) -> str | None:
        if node in self._aliases:
            return self._aliases[node]
        is_point = node.NamespaceIndex == NS_INDEX and node.Identifier in self._tags
        return str(node.Identifier) if is_point else None

    def _tag_of_value(self, wanted: Any) -> str | None:
        """Return the point whose value, and nothing else of it, is wanted."""
        is_value = wanted.AttributeId == ua.AttributeIds.Value and not wanted.IndexRange
        return self._tag(wanted.NodeId) if is_value else None

    # ---- services -----------------------------------------------------------------------------

    def _read(self, asked: Any) -> Callable[[Buffer], list[Group]] | None:
        tags = [self._tag_of_value(wanted) for wanted in asked.NodesToRead]
        return (lambda buffer: values.of_read(buffer, tags)) if any(tags) else None

    def _create(self, asked: Any) -> Callable[[Buffer], list[Group]]:
        """Take the handles at once: first values may come before the answer."""
        subscription = asked.SubscriptionId
        tags = [self._tag_of_value(item.ItemToMonitor) for item in asked.ItemsToCreate]
        for item, tag in zip(asked.ItemsToCreate, tags, strict=True):
            self._handle(subscription, item.RequestedParameters.ClientHandle, tag)

        def created(buffer: Buffer) -> list[Group]:
            if values.array_length(buffer) == len(tags):
                items = self._items.setdefault(subscription, {})
                for tag in tags:
                    made = struct_from_binary(ua.MonitoredItemCreateResult, buffer)
                    if tag is not None and not made.StatusCode.value & BAD_MASK:
                        items[made.MonitoredItemId] = tag
            return []

        return created

    def _handle(self, subscription: int, handle: int, tag: str | None) -> None:
        if tag is not None:
            self._handles.setdefault(subscription, {})[handle] = tag
        else:  # it may have been another's
            self._handles.get(subscription, {}).pop(handle, None)

    def _modify(self, asked: Any) -> None:
        items = self._items.get(asked.SubscriptionId, {})
        for item in asked.ItemsToModify:
            tag = items.get(item.MonitoredItemId)
            self._handle(asked.SubscriptionId, item.RequestedParameters.ClientHandle, tag)

    def _delete(self, asked: Any) -> Callable[[Buffer], list[Group]]:
        def deleted(_buffer: Buffer) -> list[Group]:
            for subscription in asked.SubscriptionIds:
                self._handles.pop(subscription, None)
                self._items.pop(subscription, None)
            return []

        return deleted

    def _republish(self, asked: Any) -> Callable[[Buffer], list[Group]]:
        return lambda buffer: values.of_notification(buffer, self._handles.get(asked.SubscriptionId, {}))

    def _register(self, asked: Any) -> Callable[[Buffer], list[Group]] | None:
        tags = [self._tag(node) for node in asked.NodesToRegister]

        def registered(buffer: Buffer) -> list[Group]:
            if values.array_length(buffer) == len(tags):
                nodes = [nodeid_from_binary(buffer) for _ in tags]
                self._aliases |= {n: tag for n, tag in zip(nodes, tags, strict=True) if tag is not None}
            return []

        return registered if any(tags) else None

    def _published(self, buffer: Buffer) -> list[Group]:
        handles = self._handles.get(values.int_of(buffer))
        if not handles:
            return []
        buffer.skip(4 * values.array_length(buffer) + 1)  # what may be sent again; whether more is to come
        return values.of_notification(buffer, handles)


def service_of(buffer: Buffer) -> int:
    """Read the number that a message begins with; -1 for what is none of the standard's."""
    node = nodeid_from_binary(buffer)
    return node.Identifier if node.NamespaceIndex == 0 and isinstance(node.Identifier, int) else -1
