"""Man in the middle on OPC UA, on encoded messages: which bytes change, which stay, and what fools nobody."""

from __future__ import annotations

import dataclasses as dc
import itertools
import math
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary, uatcp_to_binary
from hypothesis import given
from hypothesis import strategies as st

from protocols.opcua_chunks import MSG_SIZE, Message, Messages
from protocols.opcua_tamper import OpcuaTamper, Tally
from protocols.tamper_image import LOST, Image
from tests.support.opcua_rig import hello, open_channel

A, B, OTHER = (ua.NodeId(tag, 2) for tag in ("A", "B", "OTHER"))
CHANNEL = struct.pack("<II", 5, 13)
PORT = 4841
NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)


class Plus:
    """Adds to every value, or loses them all."""

    def __init__(self, change: float = 0.0, loses: bool = False) -> None:
        self.change, self.loses = change, loses
        self.kept: list[tuple[float, float, int]] = []

    def falsified(self, t_s, values, quality):  # type: ignore[no-untyped-def]
        lost = np.full_like(quality, LOST) if self.loses else quality
        return values + self.change, lost, self._keep

    def _keep(self, _at, true, _true_q, sent, sent_q):  # type: ignore[no-untyped-def]
        self.kept += list(zip(true.tolist(), sent.tolist(), sent_q.tolist(), strict=True))


class Wire:
    """A tamper between a client and a server, neither of which is there."""

    def __init__(self, change: float = 10.0, *, loses: bool = False, chunk_max: int = 65535) -> None:
        self.tally = Tally()
        self.falsifier = Plus(change, loses)
        image = Image(["A", "B"], self.falsifier)
        self.tamper = OpcuaTamper(image, self.tally, 4840, ("127.0.0.1", PORT))
        self.tamper.request(0.0, hello(chunk_max))
        limits = ua.Acknowledge(ReceiveBufferSize=chunk_max, SendBufferSize=chunk_max)
        self.tamper.reply(0.0, uatcp_to_binary(ua.MessageType.Acknowledge, limits))
        self.tamper.request(0.0, open_channel())

    def asks(self, request_id: int, request: Any) -> None:
        raw = message(request_id, request)
        assert self.tamper.request(0.0, raw) == raw

    def answers(self, request_id: int, answer: Any, size: int = 60_000) -> Any:
        """Return what the client gets of an answer, decoded."""
        shown = Message.of(self.tamper.reply(0.0, message(request_id, answer, size)))
        assert shown is not None
        return struct_from_binary(type(answer), Buffer(shown.body))

    def reads(self, *nodes: ua.NodeId, request_id: int = 7, **more: Any) -> None:
        wanted = [ua.ReadValueId(NodeId=n, AttributeId=ua.AttributeIds.Value, **more) for n in nodes]
        self.asks(request_id, ua.ReadRequest(Parameters=ua.ReadParameters(NodesToRead=wanted)))

    def watches(self, *items: tuple[int, ua.NodeId], request_id: int = 8) -> None:
        """Create monitored items (client handle, node) of subscription 3; their ids are handle + 1000."""
        made = [
            ua.MonitoredItemCreateRequest(
                ItemToMonitor=ua.ReadValueId(NodeId=n, AttributeId=ua.AttributeIds.Value),
                RequestedParameters=ua.MonitoringParameters(ClientHandle=handle),
            )
            for handle, n in items
        ]
        asked = ua.CreateMonitoredItemsParameters(SubscriptionId=3, ItemsToCreate=made)
        self.asks(request_id, ua.CreateMonitoredItemsRequest(Parameters=asked))
        results = [ua.MonitoredItemCreateResult(MonitoredItemId=handle + 1000) for handle, _ in items]
        self.answers(request_id, ua.CreateMonitoredItemsResponse(Results=results))


def message(request_id: int, content: Any, size: int = 60_000, sequence: int = 51) -> bytes:
    """Return a message in chunks whose bodies have a size."""
    body, chunks = struct_to_binary(content), []
    for at in range(0, len(body), size):
        part = body[at : at + size]
        kind = b"MSGF" if at + size >= len(body) else b"MSGC"
        head = CHANNEL + struct.pack("<II", sequence + len(chunks), request_id)
        chunks.append(kind + struct.pack("<I", MSG_SIZE + len(part)) + head + part)
    return b"".join(chunks)


def data(value: Any, kind: ua.VariantType = ua.VariantType.Double) -> ua.DataValue:
    return ua.DataValue(ua.Variant(value, kind), None, NOON, None)


def values(answer: Any) -> list[Any]:
    return [d.Value.Value for d in answer.Results]


def notification(subscription: int, *items: tuple[int, ua.DataValue]) -> ua.PublishResponse:
    changes = ua.DataChangeNotification(
        MonitoredItems=[ua.MonitoredItemNotification(ClientHandle=h, Value=d) for h, d in items]
    )
    told = ua.NotificationMessage(SequenceNumber=9, NotificationData=[changes])
    return ua.PublishResponse(
        Parameters=ua.PublishResult(
            SubscriptionId=subscription, AvailableSequenceNumbers=[8, 9], NotificationMessage=told
        )
    )


def told(answer: ua.PublishResponse) -> list[Any]:
    (changes,) = answer.Parameters.NotificationMessage.NotificationData
    return [item.Value.Value.Value for item in changes.MonitoredItems]


V = ua.VariantType


@pytest.mark.parametrize(
    ("kind", "true", "change", "false"),
    [
        (V.Double, 1.5, 10.0, 11.5),
        (V.Float, 1.5, 10.0, 11.5),
        (V.Float, 0.0, 1e300, struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]),
        (V.Int16, -5, 2.6, -2),
        (V.UInt16, 5, -10.0, 0),
        (V.Byte, 250, 10.0, 255),
        (V.Int64, 5, 1e30, (1 << 63) - 1),
        (V.Boolean, True, -1.0, False),
        (V.Boolean, False, 1.0, True),
    ],
)
def test_a_false_value_has_the_type_of_the_true_one_and_moves_no_other_byte(
    kind: V, true: Any, change: float, false: Any
) -> None:
    wire = Wire(change)
    wire.reads(A, OTHER)
    head = ua.ResponseHeader(Timestamp=NOON)
    raw, expected = (
        message(7, ua.ReadResponse(ResponseHeader=head, Results=[data(value, kind), data(true, kind)]))
        for value in (true, false)
    )
    shown = wire.tamper.reply(0.0, raw)
    assert shown == expected
    assert len(shown) == len(raw) and wire.tamper.n_changed == 1


@pytest.mark.parametrize("true", [data("text", V.String), data([1.0, 2.0])])
def test_what_is_no_number_stays(true: ua.DataValue) -> None:
    wire = Wire(loses=True)
    wire.reads(A)
    raw = message(7, ua.ReadResponse(Results=[true]))
    assert wire.tamper.reply(0.0, raw) == raw


def test_other_attributes_and_ranges_are_no_readings() -> None:
    wire = Wire()
    name = ua.ReadValueId(NodeId=A, AttributeId=ua.AttributeIds.DisplayName)
    wire.asks(7, ua.ReadRequest(Parameters=ua.ReadParameters(NodesToRead=[name])))
    assert values(wire.answers(7, ua.ReadResponse(Results=[data(1.0)]))) == [1.0]
    wire.reads(A, IndexRange="0:1")
    assert values(wire.answers(7, ua.ReadResponse(Results=[data(1.0)]))) == [1.0]


def test_an_answer_counts_for_its_own_request_once() -> None:
    wire = Wire()
    wire.reads(A, request_id=7)
    answer = ua.ReadResponse(Results=[data(1.0)])
    assert values(wire.answers(6, answer)) == [1.0]
    assert values(wire.answers(7, answer)) == [11.0]
    assert values(wire.answers(7, answer)) == [1.0]


def test_a_point_that_comes_twice_is_falsified_twice() -> None:
    wire = Wire()
    wire.reads(A, B, A)
    assert values(wire.answers(7, ua.ReadResponse(Results=[data(1.0), data(2.0), data(3.0)]))) == [11, 12, 13]


def test_lost_values_in_chunks_keep_their_number_their_sequence_and_the_times() -> None:
    wire = Wire(loses=True)
    wire.reads(*[A] * 100)
    raw = message(7, ua.ReadResponse(Results=[data(1.0)] * 100), size=500)
    cut = Messages()
    (shown,) = cut.feed(wire.tamper.reply(0.0, raw))
    before, after = Message.of(raw), Message.of(shown)
    assert before is not None and after is not None
    assert len(before.chunks) == len(after.chunks) == 4
    kept = [c[:4] + c[8:MSG_SIZE] for c in before.chunks]
    assert [c[:4] + c[8:MSG_SIZE] for c in after.chunks] == kept
    for found in struct_from_binary(ua.ReadResponse, Buffer(after.body)).Results:
        assert found.StatusCode.name == "BadNoCommunication" and found.Value.Value is None
        assert found.SourceTimestamp == NOON


def test_chunks_without_room_go_on_true_and_are_counted() -> None:
    wire = Wire(loses=True, chunk_max=8192)
    true = data(True, V.Boolean)  # a status code is longer than a value
    wire.reads(*[A] * 738)
    whole = message(7, ua.ReadResponse(Results=[true] * 738))
    assert 8100 < len(whole) <= 8192
    assert wire.tamper.reply(0.0, whole) == whole
    assert (wire.tally.too_long, wire.tamper.n_changed, wire.falsifier.kept) == (1, 0, [])


def test_the_truth_is_of_what_went_out_as_its_type_can_hold_it() -> None:
    wire = Wire(2.6)
    wire.reads(A, B)
    wire.answers(7, ua.ReadResponse(Results=[data(-5, V.Int16), data(True, V.Boolean)]))
    assert wire.falsifier.kept == [(-5.0, -2.0, 0)]  # a status that is on cannot be more so


def test_a_value_that_is_lost_is_kept_as_none() -> None:
    wire = Wire(loses=True)
    wire.reads(A)
    wire.answers(7, ua.ReadResponse(Results=[data(1.5)]))
    ((true, sent, quality),) = wire.falsifier.kept
    assert (true, math.isnan(sent), quality) == (1.5, True, LOST)


def test_monitored_items_are_known_by_handle_and_subscription() -> None:
    wire = Wire()
    wire.watches((1, A), (2, OTHER), (3, B))
    changes = ((1, data(1.0)), (2, data(2.0)), (3, data(3.0)), (1, data(4.0)))
    shown = wire.answers(30, notification(3, *changes))
    assert told(shown) == [11.0, 2.0, 13.0, 14.0]
    assert shown.Parameters.NotificationMessage.SequenceNumber == 9
    assert told(wire.answers(30, notification(4, *changes))) == [1.0, 2.0, 3.0, 4.0]


def test_a_notification_of_another_size_has_its_length_put_right() -> None:
    wire = Wire(loses=True)
    wire.watches((1, A), (2, OTHER))
    shown = wire.answers(30, notification(3, (1, data(1.0)), (2, data(2.0))))
    assert told(shown) == [None, 2.0]


def test_first_values_may_come_before_the_items_are_confirmed() -> None:
    wire = Wire()
    item = ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=A, AttributeId=ua.AttributeIds.Value),
        RequestedParameters=ua.MonitoringParameters(ClientHandle=1),
    )
    asked = ua.CreateMonitoredItemsParameters(SubscriptionId=3, ItemsToCreate=[item])
    wire.asks(8, ua.CreateMonitoredItemsRequest(Parameters=asked))
    assert told(wire.answers(30, notification(3, (1, data(1.0))))) == [11.0]


def test_handles_may_change_and_pass_to_other_nodes() -> None:
    wire = Wire()
    wire.watches((1, A))
    item = ua.MonitoredItemModifyRequest(
        MonitoredItemId=1001, RequestedParameters=ua.MonitoringParameters(ClientHandle=5)
    )
    asked = ua.ModifyMonitoredItemsParameters(SubscriptionId=3, ItemsToModify=[item])
    wire.asks(9, ua.ModifyMonitoredItemsRequest(Parameters=asked))
    assert told(wire.answers(30, notification(3, (5, data(1.0))))) == [11.0]
    wire.watches((5, OTHER))
    assert told(wire.answers(30, notification(3, (5, data(1.0))))) == [1.0]


def test_what_is_published_again_is_false_again() -> None:
    wire = Wire()
    wire.watches((1, A))
    asked = ua.RepublishParameters(SubscriptionId=3, RetransmitSequenceNumber=9)
    wire.asks(9, ua.RepublishRequest(Parameters=asked))
    once = notification(3, (1, data(1.0))).Parameters.NotificationMessage
    shown = wire.answers(9, ua.RepublishResponse(NotificationMessage=once))
    assert shown.NotificationMessage.NotificationData[0].MonitoredItems[0].Value.Value.Value == 11.0


def test_an_id_that_the_server_gave_a_node_is_the_node() -> None:
    wire, short = Wire(), ua.NodeId(77, 1)
    asked = ua.RegisterNodesParameters(NodesToRegister=[OTHER, A])
    wire.asks(8, ua.RegisterNodesRequest(Parameters=asked))
    given_ = ua.RegisterNodesResult(RegisteredNodeIds=[ua.NodeId(76, 1), short])
    wire.answers(8, ua.RegisterNodesResponse(Parameters=given_))
    wire.reads(short, ua.NodeId(76, 1))
    assert values(wire.answers(7, ua.ReadResponse(Results=[data(1.0), data(1.0)]))) == [11.0, 1.0]


@pytest.mark.parametrize(
    ("address", "hello_url", "here"),
    [
        (("127.0.0.1", PORT), "opc.tcp://lab:4841/x", "lab:4841"),
        (("127.0.0.1", PORT), "opc.tcp://lab:9/x", "127.0.0.1:4841"),
        (("::1", PORT), "opc.tcp://[::1", "[::1]:4841"),
    ],
)
def test_endpoints_name_us_as_the_client_does_or_as_it_reached_us(
    address: tuple[str, int], hello_url: str, here: str
) -> None:
    tamper = OpcuaTamper(Image(["A"], Plus()), Tally(), 4840, address)
    tamper.request(0.0, uatcp_to_binary(ua.MessageType.Hello, ua.Hello(EndpointUrl=hello_url)))
    tamper.request(0.0, open_channel())
    urls = ("opc.tcp://server:4840/gridhil", "opc.tcp://server:4855/other", "https://server:4840")
    answer = ua.GetEndpointsResponse(Endpoints=[ua.EndpointDescription(EndpointUrl=url) for url in urls])
    shown = Message.of(tamper.reply(0.0, message(7, answer)))
    assert shown is not None
    found = struct_from_binary(ua.GetEndpointsResponse, Buffer(shown.body)).Endpoints
    assert [e.EndpointUrl for e in found] == [f"opc.tcp://{here}/gridhil", *urls[1:]]


def test_nothing_is_read_before_a_channel_without_policy_is_open() -> None:
    tally = Tally()
    tamper = OpcuaTamper(Image(["A"], Plus(1.0)), tally, 4840, ("127.0.0.1", PORT))
    wanted = [ua.ReadValueId(NodeId=A, AttributeId=ua.AttributeIds.Value)]
    asked = message(7, ua.ReadRequest(Parameters=ua.ReadParameters(NodesToRead=wanted)))
    raw = message(7, ua.ReadResponse(Results=[data(1.0)]))
    policy = open_channel().replace(b"SecurityPolicy#None", b"SecurityPolicy#Some")
    for openings in ([], [open_channel(), policy]):
        for opening in openings:
            assert tamper.request(0.0, opening) == opening
        assert tamper.request(0.0, asked) == asked
        assert tamper.reply(0.0, raw) == raw
    assert (tally.encrypted, tally.malformed) == (1, 0)


# ---- bytes that nobody should send -----------------------------------------------------------------


def pieces(raw: bytes, cuts: Sequence[int]) -> list[bytes]:
    at = sorted({0, *(c % (len(raw) + 1) for c in cuts), len(raw)})
    return [raw[a:b] for a, b in itertools.pairwise(at)]


@given(st.binary(max_size=300), st.lists(st.integers(0, 1000), max_size=5))
def test_any_bytes_in_any_pieces_come_out_as_they_are(raw: bytes, cuts: list[int]) -> None:
    cut = Messages()
    found = []
    for piece in pieces(raw, cuts):
        if cut.is_broken:
            found.append(piece)
            continue
        found += cut.feed(piece)
        if cut.is_broken:
            found.append(cut.rest)
    assert b"".join(found) + (b"" if cut.is_broken else cut.rest) == raw


@dc.dataclass(frozen=True)
class Bent:
    """A message with some of its bytes changed."""

    at: int
    new: int


BENT = st.lists(st.builds(Bent, st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4)


@given(BENT, st.integers(0, 3))
def test_bent_messages_are_passed_on_whatever_is_in_them(bent: list[Bent], which: int) -> None:
    wire = Wire()
    wire.reads(A, OTHER)
    wire.watches((1, A))
    wanted = [ua.ReadValueId(NodeId=A, AttributeId=ua.AttributeIds.Value)]
    raw = bytearray(
        (
            message(7, ua.ReadResponse(Results=[data(1.0), data(2.0)])),
            message(30, notification(3, (1, data(1.0)))),
            message(31, ua.GetEndpointsResponse(Endpoints=[ua.EndpointDescription()])),
            message(32, ua.ReadRequest(Parameters=ua.ReadParameters(NodesToRead=wanted))),
        )[which]
    )
    for b in bent:
        raw[b.at % len(raw)] = b.new
    for whole in Messages().feed(bytes(raw)):
        assert wire.tamper.request(0.0, whole) == whole
        shown = wire.tamper.reply(0.0, whole)
        assert len(Messages().feed(shown)) == 1  # still one message


def test_values_that_are_not_finite_stay_what_they_are() -> None:
    wire = Wire()
    wire.reads(A)
    (found,) = values(wire.answers(7, ua.ReadResponse(Results=[data(math.inf)])))
    assert found == math.inf
