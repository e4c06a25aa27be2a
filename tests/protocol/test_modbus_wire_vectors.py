"""What goes over the wire, byte for byte, against the live server."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator

import pytest

from tests.support.modbus_rig import Master, Rig, adu


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig(max_connections=12, partial_s=0.5) as running:
        yield running


@pytest.fixture
def master(rig: Rig) -> Iterator[Master]:
    with rig.connect() as connected:
        yield connected


REFUSED = [
    # function, PDU, answer
    ("FC3 of 126 registers", 1, "03 0000 007E", "83 03"),
    ("FC3 of 0 registers", 1, "03 0000 0000", "83 03"),
    ("FC3 of 65535 registers", 1, "03 0000 FFFF", "83 03"),
    ("FC3 past the end", 1, "03 07C6 0014", "83 02"),
    ("FC3 wholly behind the end", 1, "03 0FA0 0001", "83 02"),
    ("FC3 from the last table into the mirror", 1, "03 270F 0002", "83 02"),
    ("FC3 past the end of the mirror", 1, "03 2C2B 0002", "83 02"),
    ("FC3 at the last address there is", 1, "03 FFFF 0002", "83 02"),
    ("FC3 without a body", 1, "03", "83 03"),
    ("FC3 with surplus bytes", 1, "03 0000 0002 0000", "83 03"),
    ("FC3 with a byte missing", 1, "03 0000 00", "83 03"),
    ("FC4 of 126 registers", 1, "04 0000 007E", "84 03"),
    ("FC4 of 0 registers", 1, "04 0000 0000", "84 03"),
    ("FC4 past the end", 1, "04 051B 0002", "84 02"),
    ("FC1 of 0 coils", 2, "01 0000 0000", "81 03"),
    ("FC1 of 2001 coils", 2, "01 0000 07D1", "81 03"),
    ("FC1 of 2000 coils where there are 160", 2, "01 0000 07D0", "81 02"),
    ("FC1 of coils 150..169 of 160", 2, "01 0096 0014", "81 02"),
    ("FC1 of a unit without coils", 1, "01 0000 0001", "81 02"),
    ("FC2 of 0 inputs", 2, "02 0000 0000", "82 03"),
    ("FC2 of 2001 inputs", 2, "02 0000 07D1", "82 03"),
    ("FC2 past the end", 2, "02 0000 0002", "82 02"),
    ("FC5 with a value that is neither", 2, "05 0003 1234", "85 03"),
    ("FC5 with 0001", 2, "05 0003 0001", "85 03"),
    ("FC5 with FFFF", 2, "05 0003 FFFF", "85 03"),
    ("FC5 without a value", 2, "05 0003", "85 03"),
    ("FC5 at a gap", 2, "05 0010 FF00", "85 02"),
    ("FC5 at a status among the coils", 2, "05 0015 FF00", "85 02"),
    ("FC5 behind the coils", 2, "05 00A0 FF00", "85 02"),
    ("FC6 without a value", 1, "06 0014", "86 03"),
    ("FC6 at a gap", 1, "06 0032 0001", "86 02"),
    ("FC6 at half a float", 1, "06 0064 42F6", "86 02"),
    ("FC6 at a measurement among the holding registers", 1, "06 006E 0001", "86 02"),
    ("FC6 into the mirror of the input registers", 1, "06 2AF8 0001", "86 02"),
    ("FC15 of 0 coils", 2, "0F 0000 0000 00", "8F 03"),
    ("FC15 of 1969 coils", 2, "0F 0000 07B1 F7" + "00" * 247, "8F 03"),
    ("FC15 whose byte count is too small", 2, "0F 0000 0009 01 FF", "8F 03"),
    ("FC15 whose byte count lies", 2, "0F 0000 0008 02 FF", "8F 03"),
    ("FC15 over a gap", 2, "0F 0006 0004 01 0F", "8F 02"),
    ("FC16 whose byte count lies about the rest", 1, "10 0014 0002 06 0001 0002", "90 03"),
    ("FC16 whose count lies about the bytes", 1, "10 0014 0003 04 0001 0002", "90 03"),
    ("FC16 of 0 registers", 1, "10 0014 0000 00", "90 03"),
    ("FC16 of 124 registers", 1, "10 0000 007C F8" + "0000" * 123, "90 03"),
    ("FC16 of the second half of a float", 1, "10 0065 0001 02 0000", "90 02"),
    ("FC16 of one and a half floats", 1, "10 0064 0003 06 0000 0000 0000", "90 02"),
    ("FC16 past the last setpoint of a run", 1, "10 0026 0003 06 0001 0002 0003", "90 02"),
    ("FC22 of a float", 1, "16 0064 FF00 00AA", "96 02"),
    ("FC22 without an OR mask", 1, "16 0014 FF00", "96 03"),
    ("FC22 at a gap", 1, "16 0032 FF00 00AA", "96 02"),
    ("FC23 that reads 0", 1, "17 0014 0000 0014 0001 02 0055", "97 03"),
    ("FC23 that reads 126", 1, "17 0014 007E 0014 0001 02 0055", "97 03"),
    ("FC23 that writes 0", 1, "17 0014 0001 0014 0000 00", "97 03"),
    ("FC23 that writes 122", 1, "17 0014 0001 0000 007A F4" + "0000" * 121, "97 03"),
    ("FC23 whose byte count lies", 1, "17 0014 0001 0014 0001 04 0055", "97 03"),
    ("FC23 that reads past the end", 1, "17 07CF 0002 0014 0001 02 7777", "97 02"),
    ("FC43/14 of an unknown object", 1, "2B 0E 04 54", "AB 02"),
    ("FC43/14 of an unknown level", 1, "2B 0E 05 00", "AB 03"),
    ("FC43/14 without an object", 1, "2B 0E 04", "AB 03"),
    ("FC43/13, CANopen", 1, "2B 0D 00 00", "AB 01"),
    ("FC7", 1, "07", "87 01"),
    ("FC8 restart", 1, "08 0001 0000", "88 01"),
    ("FC17", 1, "11", "91 01"),
    ("FC20", 1, "14 07 06 0001 0000 0002", "94 01"),
    ("FC21", 1, "15 09 06 0001 0000 0001 0000", "95 01"),
    ("FC24", 1, "18 0014", "98 01"),
    ("FC100", 1, "64 00 00", "E4 01"),
    ("FC0", 1, "00", "80 01"),
    ("a response code from a client", 1, "83 02", "83 01"),
    ("an unknown unit", 9, "03 0000 0002", "83 0B"),
]


@pytest.mark.parametrize(("unit", "pdu", "answer"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refusal_has_its_proper_code(master: Master, unit: int, pdu: str, answer: str) -> None:
    assert master.ask(unit, pdu).hex() == bytes.fromhex(answer).hex()
    assert len(master.ask(1, "03 0000 0001")) == 4  # and the connection goes on


@pytest.mark.parametrize(
    "function", [f for f in range(256) if f not in (1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 43)]
)
def test_every_other_function_code_is_illegal(master: Master, function: int) -> None:
    assert master.ask(1, bytes((function, 0, 0, 0, 1))) == bytes((function | 0x80, 1))


ANSWERED = [
    ("FC3 of 125 registers", 1, "03 0000 007D", 252),
    ("FC3 of the last register", 1, "03 07CF 0001", 4),
    ("FC3 of a gap inside the table", 1, "03 0032 0002", 6),
    ("FC3 of the whole end", 1, "03 0753 007D", 252),
    ("FC3 of the last mirrored register", 1, "03 2C2B 0001", 4),
    ("FC4 of 125 registers", 1, "04 0000 007D", 252),
    ("FC1 of 160 coils", 2, "01 0000 00A0", 22),
    ("FC1 of 13 coils", 2, "01 0093 000D", 4),
    ("FC2 of 1 input", 2, "02 0000 0001", 3),
]


@pytest.mark.parametrize(("unit", "pdu", "length"), [r[1:] for r in ANSWERED], ids=[r[0] for r in ANSWERED])
def test_read_at_the_edge_is_answered_in_full(master: Master, unit: int, pdu: str, length: int) -> None:
    reply = master.ask(unit, pdu)
    assert (reply[0], reply[1], len(reply)) == (int(pdu[:2], 16), length - 2, length)


@pytest.mark.parametrize("unit", [0, 255])
def test_units_0_and_255_are_served_as_the_default_unit(master: Master, unit: int) -> None:
    assert master.ask(unit, "04 005A 0004") == bytes.fromhex("04 08 47F12000 01020304")


def test_self_test_constants_follow_the_word_order_of_their_unit(master: Master) -> None:
    assert master.ask(1, "04 005A 0004") == bytes.fromhex("04 08 47F1 2000 0102 0304")
    assert master.ask(2, "04 005A 0004") == bytes.fromhex("04 08 2000 47F1 0304 0102")
    assert master.ask(1, "03 276A 0004") == bytes.fromhex("03 08 47F1 2000 0102 0304")  # 10000 + 90


def test_fc5_with_an_illegal_value_leaves_the_plant_alone(rig: Rig, master: Master) -> None:
    before = list(rig.core.pulses)
    assert master.ask(2, "05 0003 1234") == b"\x85\x03"
    assert rig.core.pulses == before


def test_fc6_is_echoed_and_read_back(master: Master) -> None:
    assert master.ask(1, "06 0014 ABCD") == bytes.fromhex("06 0014 ABCD")
    assert master.ask(1, "03 0014 0001") == bytes.fromhex("03 02 ABCD")


def test_fc16_answers_address_and_count(master: Master) -> None:
    assert master.ask(1, "10 0014 0002 04 0001 0002") == bytes.fromhex("10 0014 0002")
    assert master.ask(1, "03 0014 0002") == bytes.fromhex("03 04 0001 0002")


def test_fc22_masks_the_value_in_force(master: Master) -> None:
    master.ask(1, "06 0014 1234")
    assert master.ask(1, "16 0014 FF00 00AA") == bytes.fromhex("16 0014 FF00 00AA")
    assert master.ask(1, "03 0014 0001") == bytes.fromhex("03 02 12AA")  # (1234 & FF00) | (00AA & 00FF)


def test_fc23_writes_before_it_reads(master: Master) -> None:
    assert master.ask(1, "17 0014 0002 0014 0002 04 0055 0066") == bytes.fromhex("17 04 0055 0066")


def test_fc23_with_a_bad_read_range_writes_nothing(master: Master) -> None:
    master.ask(1, "06 0014 0001")
    assert master.ask(1, "17 07CF 0002 0014 0001 02 7777") == b"\x97\x02"
    assert master.ask(1, "03 0014 0001") == bytes.fromhex("03 02 0001")


def test_coil_of_a_control_is_a_pulse_and_writing_0_does_nothing(rig: Rig, master: Master) -> None:
    n = len(rig.core.pulses)
    n_audit = len(rig.audit.records)
    assert master.ask(2, "05 0003 0000") == bytes.fromhex("05 0003 0000")
    assert (len(rig.core.pulses), len(rig.audit.records)) == (n, n_audit)
    assert master.ask(2, "05 0003 FF00") == bytes.fromhex("05 0003 FF00")
    assert rig.core.pulses[n:] == [("CB3.T.TRIP", 1.0)]
    assert master.ask(2, "01 0003 0001") == bytes.fromhex("01 01 00")  # a control reads 0


def test_fc15_sends_the_ones_as_one_group(rig: Rig, master: Master) -> None:
    n = len(rig.core.pulses)
    assert master.ask(2, "0F 0000 0008 01 A5") == bytes.fromhex("0F 0000 0008")
    assert [tag for tag, _ in rig.core.pulses[n:]] == [f"CB{k}.T.TRIP" for k in (0, 2, 5, 7)]
    assert len(rig.audit.records[-1]["writes"]) == 4


def test_two_state_setpoint_reads_back_through_its_coil(master: Master) -> None:
    assert master.ask(2, "05 0014 FF00") == bytes.fromhex("05 0014 FF00")
    assert master.ask(2, "01 0013 0002") == bytes.fromhex("01 01 02")
    assert master.ask(2, "05 0014 0000") == bytes.fromhex("05 0014 0000")
    assert master.ask(2, "01 0014 0001") == bytes.fromhex("01 01 00")


def test_device_identification_basic_regular_and_specific(master: Master) -> None:
    basic = bytes.fromhex("2B 0E 01 82 00 00 03 00 07") + b"gridhil\x01\x02GH\x02\x050.1.0"
    assert master.ask(1, "2B 0E 01 00") == basic
    regular = master.ask(1, "2B 0E 02 00")
    assert regular[:7] == bytes.fromhex("2B 0E 02 82 00 00 07")
    assert regular.endswith(b"\x05\x07iowa240\x06\x00")
    assert master.ask(1, "2B 0E 04 00") == bytes.fromhex("2B 0E 04 82 00 00 01 00 07") + b"gridhil"
    # A level above the device's conformity is answered with what there is.
    assert master.ask(1, "2B 0E 03 00")[3:] == regular[3:]
    # Starting at an object that a level does not have starts at the beginning.
    assert master.ask(1, "2B 0E 01 7F") == basic


def test_transaction_id_is_echoed(master: Master) -> None:
    master.ask(1, "03 0000 0001", transaction=0xFFFE)


@pytest.mark.parametrize("n", [2, 5, 30, 64, 600])
def test_requests_in_one_segment_are_all_answered_in_order(master: Master, n: int) -> None:
    master.send(b"".join(adu(1, struct.pack(">BHH", 3, k % 40, 1), k) for k in range(n)))
    assert [master.receive()[0] for _ in range(n)] == list(range(n))


def test_pipelined_reads_show_the_writes_before_them(master: Master) -> None:
    read, write = "03 0014 0001", "06 0014 {:04X}"
    pdus = [read, write.format(7), read, write.format(8), read]
    master.ask(1, write.format(1))
    master.send(b"".join(adu(1, bytes.fromhex(p), k) for k, p in enumerate(pdus)))
    replies = [master.receive() for _ in pdus]
    assert [r[0] for r in replies] == [0, 1, 2, 3, 4]
    assert [r[2][-1] for r in replies] == [1, 7, 7, 8, 8]


def test_64_pipelined_writes_and_reads_alternate_in_order(master: Master) -> None:
    pdus = [p for k in range(32) for p in (struct.pack(">BHH", 6, 5, k), struct.pack(">BHH", 3, 5, 1))]
    master.send(b"".join(adu(1, p, k) for k, p in enumerate(pdus)))
    replies = [master.receive() for _ in pdus]
    assert [r[0] for r in replies] == list(range(64))
    assert [int.from_bytes(r[2][-2:], "big") for r in replies[1::2]] == list(range(32))


def test_request_byte_by_byte_is_answered_once(master: Master) -> None:
    for byte in adu(1, bytes.fromhex("03 0000 0001")):
        master.send(bytes((byte,)))
        time.sleep(0.01)
    assert len(master.receive()[2]) == 4
    assert not master.is_closed_by_server(0.1)


def test_one_and_a_half_requests_and_then_the_rest_are_two_answers(master: Master) -> None:
    frame = adu(1, bytes.fromhex("03 0000 0001"))
    master.send(frame + frame[:6])
    assert len(master.receive()[2]) == 4
    master.send(frame[6:])
    assert len(master.receive()[2]) == 4


BROKEN = {
    "protocol id 5": "0001 0005 0006 01 03 0000 0001",
    "length 0": "0001 0000 0000 01 03 0000 0001",
    "length 0 and nothing more": "0001 0000 0000",
    "length 1": "0001 0000 0001 01",
    "length 255": "0001 0000 00FF 01 03",
    "length 65535": "0001 0000 FFFF 01 03 0000 0001",
    "20 times FF": "FF" * 20,
    "300 times FF and then a good request": "FF" * 300 + "0001 0000 0006 01 03 0000 0001",
    "a good request with protocol id 1 behind a good one": "",
}


@pytest.mark.parametrize("data", [v for v in BROKEN.values() if v], ids=[k for k, v in BROKEN.items() if v])
def test_broken_frame_closes_the_connection_within_a_second(rig: Rig, data: str) -> None:
    with rig.connect() as bystander, rig.connect() as broken:
        broken.send(bytes.fromhex(data))
        assert broken.is_closed_by_server(1.0)
        assert len(bystander.ask(1, "03 0000 0001")) == 4


def test_broken_frame_behind_a_good_one_closes_after_the_answer(master: Master) -> None:
    frame = adu(1, bytes.fromhex("03 0000 0001"))
    master.send(frame + frame[:3] + b"\x01" + frame[4:])
    assert len(master.receive()[2]) == 4
    assert master.is_closed_by_server(1.0)


def test_largest_legal_frame_is_parsed(master: Master) -> None:
    assert master.ask(1, b"\x64" + bytes(252)) == b"\xe4\x01"  # length field 254


def test_incomplete_frame_is_dropped_after_its_time(rig: Rig, master: Master) -> None:
    # partial_s is 0.5 here and the sweep comes every 0.25 s.
    master.send(b"\x00\x01\x00")
    assert not master.is_closed_by_server(0.3)
    assert master.is_closed_by_server(1.0)


def test_client_above_the_limit_is_refused_and_the_others_go_on(rig: Rig) -> None:
    deadline = time.monotonic() + 2
    while rig.server.connections and time.monotonic() < deadline:
        time.sleep(0.01)
    masters = [rig.connect() for _ in range(12)]
    try:
        assert all(len(m.ask(1, "03 0000 0001")) == 4 for m in masters)
        with rig.connect() as one_too_many:
            assert one_too_many.is_closed_by_server(1.0)
        assert all(len(m.ask(1, "03 0000 0001")) == 4 for m in masters)
        masters.pop().socket.close()
        time.sleep(0.1)
        with rig.connect() as next_one:
            assert len(next_one.ask(1, "03 0000 0001")) == 4
    finally:
        for m in masters:
            m.socket.close()


@pytest.mark.parametrize(("setting", "answer"), [("0A", b"\x83\x0a"), ("0B", b"\x83\x0b")])
def test_unknown_unit_gets_the_gateway_code_of_the_station_file(setting: str, answer: bytes) -> None:
    with Rig(unknown_unit=setting, default_unit=None) as rig, rig.connect() as master:
        assert master.ask(9, "03 0000 0001") == answer
        assert master.ask(0, "03 0000 0001") == answer


def test_unknown_unit_gets_silence_when_the_station_file_says_so() -> None:
    with Rig(unknown_unit="silence") as rig, rig.connect() as master:
        master.send(adu(9, bytes.fromhex("03 0000 0001"), 1) + adu(1, bytes.fromhex("03 0000 0001"), 2))
        assert master.receive()[0] == 2
