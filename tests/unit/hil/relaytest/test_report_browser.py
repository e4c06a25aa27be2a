"""The report in a real browser: it shows, fits, prints on A4 and asks nobody for anything."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import zlib
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from hil.relaytest.document import document
from hil.relaytest.report import write
from hil.relaytest.runner import run
from tests.support import peers
from tests.unit.hil.relaytest.plans import PICKUP, SHOTS_24, plan_of
from tests.unit.hil.relaytest.sim_bench import SimBench
from tests.unit.hil.relaytest.toy_relay import ToyRelay

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # what the browser wants for itself finds nobody
)
OUTSIDE = """<script>
const outside = [...document.querySelectorAll("svg text")].filter(t => {
  const a = t.getBoundingClientRect(), b = t.ownerSVGElement.getBoundingClientRect();
  return a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1;
}).map(t => t.textContent);
document.title = JSON.stringify([document.documentElement.scrollWidth, outside]);
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    # a device that fails shows the most: findings, recordings of many shots
    done = run(plan_of(folder, SHOTS_24 + PICKUP), SimBench(ToyRelay(slow=1.1)), utc_s=lambda: 0.0)
    write(folder, document(done, {"configuration": f"start {'ab' * 32}, load {'cd' * 32}"}))
    return folder / "report.html"


def chromium(folder: Path, *arguments: str) -> str:
    """Run the browser to its end and return what it printed."""
    done = subprocess.run(
        [peers.require("chromium"), *FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments],
        capture_output=True,
        text=True,
        timeout=100.0,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def requests_of_the_page(log: Path) -> list[str]:
    """Return the addresses that a page asked for; the browser's own requests have no origin."""
    net = json.loads(log.read_text(encoding="utf-8"))
    start = net["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    found = [e["params"] for e in net["events"] if e["type"] == start and "url" in e.get("params", {})]
    return [p["url"] for p in found if p.get("initiator") != "not an origin"]


def test_screenshot_shows_the_report_and_the_page_asks_for_nothing(page: Path, tmp_path: Path) -> None:
    shot, log = tmp_path / "shot.png", tmp_path / "net.json"
    chromium(
        tmp_path, f"--log-net-log={log}", "--window-size=1000,2400", f"--screenshot={shot}", page.as_uri()
    )
    data = shot.read_bytes()
    assert struct.unpack(">II", data[16:24]) == (1000, 2400)
    at = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[at - 4 : at])
    # letters and lines have edges of every shade; an empty page has a handful of different bytes
    assert len(set(zlib.decompressobj().decompress(data[at + 4 : at + 4 + length]))) > 100
    assert requests_of_the_page(log) == []


def test_a_page_that_does_ask_for_something_would_be_caught(tmp_path: Path) -> None:
    page, log = tmp_path / "page.html", tmp_path / "net.json"
    page.write_text('<img src="http://elsewhere.invalid/x.png">', encoding="utf-8")
    chromium(tmp_path, f"--log-net-log={log}", f"--screenshot={tmp_path / 'shot.png'}", page.as_uri())
    assert requests_of_the_page(log) == ["http://elsewhere.invalid/x.png"]


def test_print_is_pages_of_a4(page: Path, tmp_path: Path) -> None:
    printed = tmp_path / "report.pdf"
    chromium(tmp_path, f"--print-to-pdf={printed}", "--no-pdf-header-footer", page.as_uri())
    sheets = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed.read_bytes())
    assert 4 <= len(sheets) <= 20  # one a test and more; a page for every shot would be a broken layout
    for width, height in sheets:
        # 210 mm by 297 mm in points of 1/72 inch; browsers round to a pixel of 1/96 inch
        assert (float(width), float(height)) == pytest.approx((595.3, 841.9), abs=0.75)


@pytest.mark.parametrize("width", [1000, 500])
def test_page_fits_its_window_and_every_label_its_drawing(page: Path, tmp_path: Path, width: int) -> None:
    copy = tmp_path / "page.html"
    copy.write_text(page.read_text(encoding="utf-8") + OUTSIDE, encoding="utf-8")
    dom = chromium(tmp_path, f"--window-size={width},800", "--dump-dom", copy.as_uri())
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title is not None
    result: Any = json.loads(unescape(title[1]))
    assert result == [width, []]
