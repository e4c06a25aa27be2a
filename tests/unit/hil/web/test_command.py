"""``gridhil web`` as a person starts it: what it prints, what it refuses, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from hil.web import command
from hil.web.command import Options, announcement, console_command, run
from rtcore.errors import HostError, UserInputError
from tests.unit.hil.web.rig import TOY, until_gone, until_shown


@contextlib.contextmanager
def web(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command; give its process and the address that it printed."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "hil", "web", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = re.search(r"console at (http://\S+)", process.stdout.readline())
        assert found is not None
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()


def test_it_prints_an_address_that_opens_and_ends_well_when_stopped() -> None:
    with web() as (process, address):
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert b"textual-terminal" in answer.read()
        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            urllib.request.urlopen(address[:-1], timeout=30)
        refused.value.close()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")


def test_with_a_token_file_the_token_is_not_printed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a-token-of-my-own-choice\n")
    file.chmod(0o600)
    with web("--token-file", str(file)) as (_, address):
        assert address.endswith("/?token=TOKEN")
        own = address.replace("TOKEN", "a-token-of-my-own-choice")
        with urllib.request.urlopen(own, timeout=30) as answer:
            assert answer.status == 200


def test_a_port_that_is_taken_is_named_with_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HostError, match=rf"web: cannot listen on 127\.0\.0\.1:{port}: .*held by pid"):
            run(Options(port=port), lambda _: None)


def test_an_address_that_is_not_this_machine_s_is_refused() -> None:
    with pytest.raises(HostError, match="no interface of this machine has that address"):
        run(Options(host="192.0.2.1", port=0), lambda _: None)


def test_a_station_s_address_must_be_one() -> None:
    with pytest.raises(UserInputError, match=r"opc\.tcp://"):
        run(Options(url="http://127.0.0.1:4840"), lambda _: None)


def test_the_console_is_told_the_station_s_address() -> None:
    assert console_command("opc.tcp://a:1/gridhil")[-2:] == ("console", "opc.tcp://a:1/gridhil")
    assert console_command(None)[-1] == "console"


def test_another_address_than_loopback_is_told_with_a_warning() -> None:
    assert not any("warning" in line for line in announcement("127.0.0.1", 8000, "t"))
    assert any("warning" in line for line in announcement("192.0.2.7", 8000, "t"))
    assert announcement("::1", 8000, "t")[0] == "console at http://[::1]:8000/?token=t"


def test_listening_everywhere_tells_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "own_addresses", lambda: ["127.0.0.1", "192.0.2.7", "2001:db8::7"])
    lines = [line for line in announcement("0.0.0.0", 8000, "t") if line.startswith("console")]
    assert lines == ["console at http://127.0.0.1:8000/?token=t", "console at http://192.0.2.7:8000/?token=t"]


async def test_consoles_end_with_a_server_that_is_killed() -> None:
    code = (
        "import sys\nfrom hil.web.command import Options, run\n"
        f"run(Options(port=0), lambda line: print(line, flush=True), {TOY!r})"
    )
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    found = re.search(r"http://\S+", (await server.stdout.readline()).decode())
    assert found is not None
    address = found[0]
    origin = address.partition("/?")[0]
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as client:
        async with client.get(address) as answer:
            assert answer.status == 200
        async with client.ws_connect(f"{origin}/ws", headers={"Origin": origin}) as socket:
            pid = int((await until_shown(socket, r"toy console (\d+)"))[1])
            server.kill()
            await server.communicate()
    await until_gone(pid)


@pytest.mark.parametrize(
    "url", ["", "http://127.0.0.1:4840", "opc.tcp://", "opc.tcp://127.0.0.1:99999/gridhil"]
)
def test_a_wrong_address_of_the_station_is_refused_before_anything_listens(url: str) -> None:
    with pytest.raises(UserInputError, match=r"--url: .* is no address of a station; one looks like opc"):
        run(Options(url=url, port=0), lambda _: pytest.fail("it listened"))


def test_an_empty_address_does_not_listen_on_every_one() -> None:
    with pytest.raises(UserInputError, match="--host: no address is named"):
        run(Options(host="", port=0), lambda _: pytest.fail("it listened"))
