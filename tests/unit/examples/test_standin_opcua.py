"""The stand-in over OPC UA: as a client of a small server, and as a server of a real client."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from asyncua import Client, Server, ua, uamethod

ROOT = Path(__file__).resolve().parents[3]
HEALTHY_A, FAULT_A = 20.0, 2000.0
WITHIN_S = 20.0
"""Waits end as soon as what is waited for is there; only a failure takes so long."""


async def until(question: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await question():
            await asyncio.sleep(0.005)


def names(path: Path) -> list[str]:
    if not path.exists():
        return []
    return [json.loads(line)["event"] for line in path.read_text(encoding="utf-8").splitlines()]


@asynccontextmanager
async def standin(log: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a stand-in: pickup 400 A, IEC SI, TMS 0.01 (43 ms at 5 x), one reclosure after 0.1 s."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "examples.standin", *arguments, "--log", str(log)),
        *("--pickup-a", "400", "--tms", "0.01", "--open-intervals-s", "0.1"),
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
        process.terminate()
        _, errors = await asyncio.wait_for(process.communicate(), WITHIN_S)
        assert (process.returncode, errors) == (0, b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class SmallStation:
    """An OPC UA server with one feeder: currents, 52a, TRIP and CLOSE as methods, tokens as variables."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._nodes: dict[str, Any] = {}

    async def build(self, server: Server) -> None:
        await server.register_namespace("urn:small")
        objects = server.nodes.objects
        for name, value in {"IA": HEALTHY_A, "IB": 1.0, "IC": 1.0}.items():
            self._nodes[name] = await objects.add_variable(ua.NodeId(name, 2), name, value)
        self._nodes["ST_52A"] = await objects.add_variable(ua.NodeId("ST_52A", 2), "ST_52A", True)
        for name in ("TOKEN_OUT", "TOKEN_IN"):
            kind = ua.VariantType.UInt16
            self._nodes[name] = await objects.add_variable(ua.NodeId(name, 2), name, 3, kind)
        await self._nodes["TOKEN_IN"].set_writable()
        breaker = await objects.add_object(ua.NodeId("CB", 2), "CB")
        for name, is_closed in (("TRIP", False), ("CLOSE", True)):
            await breaker.add_method(ua.NodeId(f"CB.{name}", 2), name, self._command(name, is_closed), [], [])

    def _command(self, name: str, is_closed: bool) -> Any:
        @uamethod
        async def command(parent: ua.NodeId) -> None:
            self.calls.append(name)
            await self.put("ST_52A", is_closed)
            if not is_closed:
                await self.put("IA", 0.0)

        return command

    async def put(self, name: str, value: Any) -> None:
        await self._nodes[name].write_value(
            ua.Variant(value, ua.VariantType.UInt16) if name == "TOKEN_OUT" else value
        )

    async def get(self, name: str) -> Any:
        return await self._nodes[name].read_value()


WIRING = """
[opcua-client]
ia_a = { node = "ns=2;s=IA" }
ib_a = { node = "ns=2;s=IB" }
ic_a = { node = "ns=2;s=IC" }
is_closed = { node = "ns=2;s=ST_52A" }
token_out = { node = "ns=2;s=TOKEN_OUT" }
token_in = { node = "ns=2;s=TOKEN_IN", type = "UInt16" }
trip = { object = "ns=2;s=CB", method = "ns=2;s=CB.TRIP" }
close = { object = "ns=2;s=CB", method = "ns=2;s=CB.CLOSE" }
"""


async def test_a_client_trips_recloses_trips_again_and_echoes_the_token(tmp_path: Path) -> None:
    wiring, log = tmp_path / "wiring.toml", tmp_path / "events.jsonl"
    wiring.write_text(WIRING, encoding="utf-8")
    station, server = SmallStation(), Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0/small")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    await station.build(server)

    async def said(event: str, count: int = 1) -> bool:
        return names(log).count(event) >= count

    async with server:
        port = str(server.bserver._server.sockets[0].getsockname()[1])
        arguments = ("opcua-client", "--port", port, "--path", "/small", "--wiring", str(wiring))
        async with standin(log, *arguments):
            await until(lambda: said("breaker_closed"))
            await station.put("TOKEN_OUT", 65535)

            async def is_echoed() -> bool:
                return bool(await station.get("TOKEN_IN") == 65535)

            await until(is_echoed)
            await station.put("IA", FAULT_A)
            await until(lambda: said("close_written"))
            await station.put("IA", FAULT_A)
            await until(lambda: said("trip_written", 2))
    assert station.calls == ["TRIP", "CLOSE", "TRIP"]
    assert "lockout" in names(log)


async def test_a_client_waits_for_a_server_that_is_not_there(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"

    async def said() -> bool:
        return "not_connected" in names(log)

    # Port 1 of this machine: nobody may listen there without being root, and nobody does.
    arguments = ("opcua-client", "--port", "1", "--wiring", "examples/standin/cb_201.toml")
    async with standin(log, *arguments):
        await until(said)


async def test_a_server_trips_recloses_and_echoes_for_a_real_client(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    arguments = ("opcua-server", "--port", "0", "--wiring", "examples/standin/server.toml")
    async with standin(log, *arguments) as process:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), WITHIN_S)).decode().strip()
        assert line.startswith("ready opc.tcp://127.0.0.1:")
        async with Client(line.split()[1], timeout=5) as client:
            nodes = {n: client.get_node(f"ns=2;s=STANDIN.{n}") for n in ("IA", "ST_52A", "TRIP", "CLOSE")}

            async def put(i_a: float, is_closed: bool, token: int) -> None:
                values = {"IA": i_a, "IB": 1.0, "IC": 1.0, "IN": 0.0, "ST_52A": is_closed}
                typed = {n: ua.Variant(v) for n, v in values.items()}
                typed["TOKEN_OUT"] = ua.Variant(token, ua.VariantType.UInt16)
                written = [client.get_node(f"ns=2;s=STANDIN.{n}") for n in typed]
                await client.write_values(written, list(typed.values()))

            async def is_on(name: str) -> bool:
                return bool(await nodes[name].read_value())

            await put(HEALTHY_A, True, 5)
            token = client.get_node("ns=2;s=STANDIN.TOKEN_IN")

            async def is_echoed() -> bool:
                return bool(await token.read_value() == 5)

            await until(is_echoed)
            assert not await is_on("TRIP")
            await put(FAULT_A, True, 6)
            await until(lambda: is_on("TRIP"))
            await put(0.0, False, 7)
            await until(lambda: is_on("CLOSE"))
    assert names(log)[:4] == ["start", "listening", "breaker_closed", "reset"]
    assert names(log)[-1] == "stop"
