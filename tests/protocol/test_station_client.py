"""The console's client: what it says of servers that refuse, are silent, are something else, or go away."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from asyncua import Server, ua

from hil import console_start, credentials
from protocols import known_stations, station_client
from protocols.station_client import StationClient, Update
from protocols.station_errors import StationError, Trouble, is_unsure
from rtcore.commands import Reason
from tests.support.opcua_rig import Rig
from tests.support.users import password_of


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig() as running:
        yield running


@contextlib.asynccontextmanager
async def session(rig: Rig, user: str = "") -> AsyncIterator[tuple[StationClient, list[Update]]]:
    """Return a connected client and what came to it."""
    came: list[Update] = []
    client = StationClient(rig.url, user, password_of(user) if user else "", came.extend)
    await client.connect()
    try:
        yield client, came
    finally:
        await client.close()


async def trouble_at(url: str, user: str = "", password: str = "", **more: Any) -> StationError:
    """Return what connecting to an address gives."""
    client = StationClient(url, user, password, lambda _: None, **more)
    with pytest.raises(StationError) as found:
        await client.connect()
    assert not client.is_open
    return found.value


async def until(condition: Any, timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1", "http://127.0.0.1:4840", "opc.tcp://127.0.0.1", "opc.tcp://[", "opc.tcp://h:99999"],
)
async def test_an_address_that_is_none_is_named_with_an_example(url: str) -> None:
    error = await trouble_at(url)
    assert error.trouble is Trouble.WRONG_URL
    assert "opc.tcp://127.0.0.1:4840/gridhil" in str(error)


async def test_where_nothing_listens_it_says_how_to_start_a_station() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        error = await trouble_at(f"opc.tcp://127.0.0.1:{port}/gridhil")
    assert error.trouble is Trouble.NO_ANSWER
    assert "gridhil run" in str(error)


async def test_a_name_that_nobody_knows_is_told() -> None:
    error = await trouble_at("opc.tcp://no-such-machine.invalid:4840/gridhil")
    assert error.trouble is Trouble.NO_ANSWER
    assert "no machine of this name" in str(error)


class Stranger(asyncio.Protocol):
    """Accepts, and answers whatever comes with the same bytes, or not at all."""

    def __init__(self, answer: bytes, open_ones: list[asyncio.Transport]) -> None:
        self._answer, self._open = answer, open_ones

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.append(transport)

    def data_received(self, data: bytes) -> None:
        if self._answer:
            self._transport.write(self._answer)
            self._transport.close()


@contextlib.asynccontextmanager
async def listening(answer: bytes) -> AsyncIterator[str]:
    """Return the address of a stranger."""
    open_ones: list[asyncio.Transport] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Stranger(answer, open_ones), "127.0.0.1", 0)
    try:
        yield f"opc.tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}/gridhil"
    finally:
        server.close()
        for transport in open_ones:
            transport.abort()
        await asyncio.sleep(0.05)


async def test_a_port_that_accepts_and_is_silent_is_given_up_in_time() -> None:
    async with listening(b"") as url:
        error = await trouble_at(url)
    assert error.trouble in (Trouble.SILENT, Trouble.LOST)
    assert "no answer" in str(error) or "lost" in str(error)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4, b"\x00" * 64, b"ACKF\x08\0\0\0"])
async def test_a_port_of_something_else_is_told_without_a_traceback(answer: bytes) -> None:
    async with listening(answer) as url:
        error = await trouble_at(url)
    assert "Traceback" not in str(error)
    assert "127.0.0.1" in str(error) or "ended" in str(error)


async def test_another_opc_ua_server_is_no_station() -> None:
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0/other")
    async with server:
        port = server.bserver.port
        error = await trouble_at(f"opc.tcp://127.0.0.1:{port}/other")
    assert error.trouble is Trouble.NO_STATION
    assert "no gridhil station" in str(error)


async def test_a_wrong_password_is_a_refused_login(rig: Rig) -> None:
    error = await trouble_at(rig.url, "operator", "wrong")
    assert error.trouble is Trouble.LOGIN
    assert "operator" in str(error)


async def test_a_certificate_out_of_its_time_is_told_with_its_dates(rig: Rig) -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=365 * 30)
    error = await trouble_at(rig.url, clock=lambda: later)
    assert error.trouble is Trouble.CERTIFICATE
    assert f"{later:%Y-%m-%d}" in str(error)


async def test_a_station_that_takes_encrypted_sessions_only_gets_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with Rig(none_policy_on_loopback=False) as rig:
        error = await trouble_at(rig.url)
        assert error.trouble is Trouble.SECURITY
        client = StationClient(
            rig.url, "operator", password_of("operator"), lambda _: None, console_start.identity
        )
        await client.connect()
        answer = await client.command("FDR_B.CB_201.TRIP", None)
        await client.close()
    assert answer.is_done
    folder = tmp_path / "gridhil" / console_start.NAME
    assert credentials.ensure_identity(folder, console_start.NAME, "127.0.0.1")


async def test_a_station_with_another_key_than_before_gets_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with Rig(none_policy_on_loopback=False) as rig:
        client = StationClient(rig.url, "", "", lambda _: None, console_start.identity)
        await client.connect()
        await client.close()
        path = tmp_path / "gridhil" / console_start.NAME / known_stations.FILE
        known = json.loads(path.read_text())
        assert len(known) == 1
        path.write_text(json.dumps(dict.fromkeys(known, "0" * 64)))
        error = await trouble_at(
            rig.url, "operator", password_of("operator"), identity=console_start.identity
        )
    assert error.trouble is Trouble.CERTIFICATE
    assert str(path) in str(error)


@pytest.mark.parametrize("offers", ["plain", "both"])
async def test_to_another_machine_no_password_goes_in_the_clear(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offers: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(station_client, "_is_loopback", lambda _: False)
    if offers == "plain":
        monkeypatch.setattr(station_client, "_is_encrypted", lambda _: False)
        error = await trouble_at(
            rig.url, "operator", password_of("operator"), identity=console_start.identity
        )
        assert error.trouble is Trouble.SECURITY
        assert "in the clear" in str(error)
        observer = StationClient(rig.url, "", "", lambda _: None, console_start.identity)
        await observer.connect()
        await observer.close()
        return
    client = StationClient(
        rig.url, "operator", password_of("operator"), lambda _: None, console_start.identity
    )
    await client.connect()
    try:
        assert client._client.security_policy.Mode == ua.MessageSecurityMode.SignAndEncrypt
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("host", "is_here"),
    [("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("10.0.3.7", False), ("scada.example", False),
     ("127.0.0.1.example", False)],
)  # fmt: skip
def test_this_machine_is_known_by_its_address(host: str, is_here: bool) -> None:
    assert station_client._is_loopback(f"opc.tcp://{host}:4840/gridhil") == is_here


async def test_it_watches_what_it_is_told_and_nothing_else(rig: Rig) -> None:
    async with session(rig) as (client, came):
        assert await client.watch(["SUB.BUS1.VA", "FDR_B.CB_201.P52A", "NO.SUCH.POINT"]) == ["NO.SUCH.POINT"]
        await until(lambda: {u.tag for u in came} == {"SUB.BUS1.VA", "FDR_B.CB_201.P52A"})
        await client.watch(["SUB.BUS1.VB"])
        await until(lambda: any(u.tag == "SUB.BUS1.VB" for u in came))
        came.clear()
        await until(lambda: len(came) >= 2)
        assert {u.tag for u in came} == {"SUB.BUS1.VB"}


async def test_values_carry_status_and_source_time(rig: Rig) -> None:
    async with session(rig) as (client, came):
        await client.watch(["SUB.BUS1.VA"])
        await until(lambda: bool(came))
        assert isinstance(came[0].value, float)
        assert came[0].status == "Good"
        assert came[0].source is not None


async def test_more_points_than_one_request_takes_are_asked_for_in_several() -> None:
    from tests.support.opcua_rig import point, station_points

    points = [*station_points(), *(point(f"MANY.M_{k}.V") for k in range(1200))]
    with Rig(points, max_operations=500) as rig:
        async with session(rig) as (client, came):
            tags = [p.tag for p in points if p.tag.startswith("MANY.")]
            assert await client.watch(tags) == []
            await until(lambda: len({u.tag for u in came}) == 1200, 20.0)


async def test_commands_come_back_with_the_verdict_in_words(rig: Rig) -> None:
    async with session(rig, "operator") as (client, _):
        assert (await client.command("FDR_B.CB_201.TRIP", None)).is_done
        assert (await client.command("SUB.SRC.V_SP", 1.02)).is_done
        refused = await client.command("SUB.SRC.V_SP", 7.0)
        assert not refused.is_done
        assert "outside" in refused.text
        assert not (await client.command("SUB.BUS1.VA", 1.0)).is_done
        gone = await client.command("NO.SUCH.POINT", 1.0)
        assert "no such point" in gone.text
        assert "no such point" in (await client.command("NO.SUCH.CONTROL", None)).text


async def test_a_refused_control_says_why(rig: Rig) -> None:
    before = rig.core.decide
    rig.core.decide = lambda *_: Reason.TAGGED
    try:
        async with session(rig, "operator") as (client, _):
            answer = await client.command("FDR_B.CB_201.CLOSE", None)
    finally:
        rig.core.decide = before
    assert not answer.is_done
    assert "tag" in answer.text


async def test_a_command_without_a_verdict_has_a_status_that_says_so(rig: Rig) -> None:
    before = rig.core.decide
    rig.core.decide = lambda *_: Reason.NO_VERDICT
    try:
        async with session(rig, "operator") as (client, _):
            control = await client.command("FDR_B.CB_201.TRIP", None)
            setpoint = await client.command("SUB.SRC.V_SP", 1.02)
    finally:
        rig.core.decide = before
    assert is_unsure(control.status)
    assert is_unsure(setpoint.status)


async def test_an_observer_is_told_which_role_it_takes(rig: Rig) -> None:
    async with session(rig) as (client, _):
        answer = await client.command("FDR_B.CB_201.TRIP", None)
    assert not answer.is_done
    assert "operator" in answer.text


async def test_a_server_that_goes_away_in_the_middle_of_a_command_leaves_it_open_whether_it_was_done() -> (
    None
):
    with Rig() as rig:
        taken = asyncio.Event()
        loop = asyncio.get_running_loop()

        def late(*_: Any) -> Reason:
            loop.call_soon_threadsafe(taken.set)
            time.sleep(1.0)  # the verdict comes when nobody is there to hear it
            return Reason.DONE

        rig.core.decide = late
        async with session(rig, "operator") as (client, _):
            command = asyncio.create_task(client.command("FDR_B.CB_201.TRIP", None))
            await asyncio.wait_for(taken.wait(), 5.0)
            for protocol in list(rig.server._listener.clients):
                rig.loop.call_soon_threadsafe(protocol.transport.abort)
            with pytest.raises(StationError) as found:
                await command
    assert found.value.is_unsure


async def test_without_a_session_a_command_is_not_sent() -> None:
    def nothing(_: Sequence[Update]) -> None:
        pass

    client = StationClient("opc.tcp://127.0.0.1:1/gridhil", "", "", nothing)
    with pytest.raises(StationError) as found:
        await client.command("FDR_B.CB_201.TRIP", None)
    assert not found.value.is_unsure


async def test_a_station_without_services_is_told_in_words(rig: Rig) -> None:
    async with session(rig) as (client, _):
        with pytest.raises(StationError) as found:
            await client.read_model()
    assert "ReadModel" in str(found.value)
