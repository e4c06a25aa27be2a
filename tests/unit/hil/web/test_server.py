"""Pages, websockets and downloads of the console in a browser, by a client that tries everything."""

from __future__ import annotations

import asyncio
import json
import re
import sys

import aiohttp
import pytest

from tests.unit.hil.web.rig import TOKEN, TOY, serving, until_closed, until_gone, until_shown

PATHS = ("/", "/ws", "/page.css", "/page.js", "/static/js/textual.js", "/static/", "/download/x", "/nowhere")


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_is_served_without_the_token(path: str) -> None:
    async with serving() as rig, rig.client.get(path, headers={"Origin": rig.origin}) as answer:
        assert answer.status == 403
        assert "ends with the token" in await answer.text()


async def test_a_wrong_token_is_no_token() -> None:
    async with serving() as rig, rig.client.get("/", params={"token": TOKEN + "x"}) as answer:
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/ws", "/page.js"])
async def test_the_token_opens_the_page_and_nothing_but_the_page(path: str) -> None:
    async with serving() as rig:
        own = {"Origin": rig.origin}
        async with rig.client.get(path, params={"token": TOKEN}, headers=own) as answer:
            assert answer.status == 403


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_foreign_pages() -> None:
    async with serving() as rig, rig.client.get("/", params={"token": TOKEN}) as answer:
        assert answer.status == 200
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie + await answer.text()


async def test_what_the_page_names_is_on_this_server() -> None:
    async with serving() as rig:
        async with rig.client.get("/", params={"token": TOKEN}) as answer:
            text = await answer.text()
            policy = answer.headers["Content-Security-Policy"]
        assert re.findall(r"(?:https?|wss?)://[^\"' ]+", text) == [f"ws://127.0.0.1:{rig.client.port}/ws"]
        assert policy.startswith("default-src 'none'")
        named = re.findall(r'(?:href|src)="(?!data:)([^"]+)"', text)
        assert len(named) == 5
        for path in named:
            async with rig.client.get("/" + path) as answer:
                assert answer.status == 200, path


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
async def test_a_foreign_name_that_resolves_to_this_machine_is_refused(host: str) -> None:
    async with (
        serving() as rig,
        rig.client.get("/", params={"token": TOKEN}, headers={"Host": host}) as answer,
    ):
        assert answer.status == 403
        assert "not one of this server's" in await answer.text()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_foreign_page_gets_no_websocket_even_with_the_cookie(origin: str) -> None:
    async with serving() as rig:
        await rig.open()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with rig.socket(Origin=origin):
                pass
        assert refused.value.status == 403
        assert rig.lines == []


async def test_a_websocket_of_nobody_s_page_is_refused() -> None:
    async with serving() as rig:
        await rig.open()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with rig.client.ws_connect("/ws"):
                pass
        assert refused.value.status == 403


async def test_a_browser_gets_a_terminal_of_its_size_that_hears_its_keys() -> None:
    async with serving() as rig:
        await rig.open()
        async with rig.socket() as socket:
            pid = int((await until_shown(socket, r"toy console (\d+)"))[1])
            await until_shown(socket, "size 90 x 30")
            await socket.send_json(["resize", {"width": 70, "height": 20}])
            await until_shown(socket, "70 x 20")
            await socket.send_json(["stdin", "w"])
            await until_shown(socket, "key <w>")
            await socket.send_json(["ping", "17"])
            assert (await _text(socket)) == ["pong", "17"]
        await until_gone(pid)
        await rig.until_said("ended")


async def _text(socket: aiohttp.ClientWebSocketResponse) -> object:
    async with asyncio.timeout(30.0):
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                return json.loads(message.data)
    raise AssertionError("closed without a message")


async def test_a_console_that_ends_closes_its_browser_s_connection() -> None:
    async with serving() as rig:
        await rig.open()
        async with rig.socket() as socket:
            await until_shown(socket, "toy console")
            await socket.send_json(["stdin", "q"])
            await until_closed(socket)


async def test_a_file_comes_to_who_has_the_cookie_as_a_file() -> None:
    async with serving() as rig:
        await rig.open()
        async with rig.socket() as socket:
            await until_shown(socket, "toy console")
            await socket.send_json(["stdin", "d"])
            kind, key = await _text(socket)  # type: ignore[misc]
            assert kind == "deliver_file_start"
            async with rig.client.get(f"/download/{key}") as answer:
                assert answer.headers["Content-Disposition"] == "attachment; filename=alarms.csv"
                assert "sandbox" in answer.headers["Content-Security-Policy"]
                assert await answer.text() == "tag,value\nFREQ,60.0\n"


async def test_one_browser_too_many_is_told_so_and_may_come_when_another_has_gone() -> None:
    async with serving(sessions_max=1) as rig:
        await rig.open()
        async with rig.socket() as first:
            await until_shown(first, "toy console")
            async with rig.socket() as second:
                await until_shown(second, "All 1 sessions of this server are taken")
                await until_closed(second)
        await rig.until_said("session 1 .*: ended")
        async with rig.socket() as third:
            await until_shown(third, "toy console")


async def test_a_session_that_nobody_uses_ends() -> None:
    async with serving(idle_s=3.0) as rig:
        await rig.open()
        async with rig.socket() as socket:
            pid = int((await until_shown(socket, r"toy console (\d+)"))[1])
            await until_shown(socket, "Nobody used this session")
            await until_closed(socket)
        await until_gone(pid)
        await rig.until_said("ended, nobody used it")


async def test_a_console_that_hangs_is_killed_when_its_browser_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.web.session.PATIENCE_S", 0.3)
    async with serving(argv=(*TOY, "--deaf")) as rig:
        await rig.open()
        async with rig.socket() as socket:
            pid = int((await until_shown(socket, r"toy console (\d+)"))[1])
        await until_gone(pid)


async def test_consoles_end_with_the_server() -> None:
    async with serving() as rig:
        await rig.open()
        async with rig.socket() as socket:
            pid = int((await until_shown(socket, r"toy console (\d+)"))[1])
            await rig.client.server.close()
            await until_closed(socket)
        await until_gone(pid)


async def test_a_console_that_does_not_start_says_why_in_the_browser_and_at_the_server() -> None:
    why = "import sys; sys.exit('gridhil: no station runs on this machine')"
    async with serving(argv=(sys.executable, "-c", why)) as rig:
        await rig.open()
        async with rig.socket() as socket:
            await until_shown(socket, "no station runs on this machine")
            await until_closed(socket)
        await rig.until_said("did not start: gridhil: no station runs")


NONSENSE = [
    *("", "{", "[]", "17", "null", '["stdin"]', '["stdin", 5]', '["ping", {}]', '["quit"]', '["resize", []]'),
    '["resize", {"width": "x", "height": null}]',
    '["resize", {"width": 1e400, "height": -5}]',
    '["stdin", "\\ud800"]',
]


async def test_nonsense_from_a_browser_changes_nothing() -> None:
    async with serving() as rig:
        await rig.open()
        async with rig.socket() as socket:
            await until_shown(socket, "toy console")
            for text in NONSENSE:
                await socket.send_str(text)
            await socket.send_bytes(b"\xff" * 100)
            await socket.send_json(["resize", {"width": 90, "height": 30}])
            await socket.send_json(["stdin", "w"])
            await until_shown(socket, "key <w>")


async def test_a_message_without_end_closes_that_session_alone() -> None:
    async with serving() as rig:
        await rig.open()
        async with rig.socket() as good, rig.socket() as bad:
            await until_shown(good, "toy console")
            await until_shown(bad, "toy console")
            await bad.send_json(["stdin", "x" * 1_000_000])
            await until_closed(bad)
            await good.send_json(["stdin", "w"])
            await until_shown(good, "key <w>")


async def test_a_request_that_is_none_leaves_nothing_on_the_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with serving() as rig:
        for request in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", rig.client.port)
            writer.write(request)
            said = await reader.read(100)
            writer.close()
            await writer.wait_closed()
            assert re.match(rb"HTTP/1\.[01] 40", said)
    assert "Traceback" not in "".join(capfd.readouterr())
