"""Trends of a running station: what the recorder wrote, and behind it what it has yet to write."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hil.recorder import run_folder
from hil.recorder.trend_files import FOLDER
from hil.runspec import RunSpec
from hil.services.recent import Recent
from hil.services.thinning import thinned
from hil.services.trend_read import Found
from protocols.opcua_services import Refusal
from protocols.trend import NOTHING, Trend, joined
from rtcore.points import index_of

TIMEOUT_S = 20.0
IDLE_S = 300.0
"""After so long without a question the helper is ended [s]."""
WAITING_MAX, TRIES = 8, 2
HEAD_BYTES_MAX = 4096
FLUSHED_S, UNRECORDED_S = 60, 600
"""What is remembered: more than the recorder keeps back, and more where there is none [s]."""
NO_RECORD = Found(NOTHING, -(2**63) + 1)


class TrendReader:
    """Answers questions for trends, one at a time.

    Parameters
    ----------
    recent : Recent
        What the board showed lately.
    """

    def __init__(self, spec: RunSpec, recent: Recent) -> None:
        self._helper = Helper(run_folder.folder_of(spec) / FOLDER) if spec.recorder else None
        self._recent, self._index = recent, index_of(spec.points)

    async def read(self, tag: str, from_ns: int, to_ns: int, n: int) -> Trend:
        """Return what ``protocols.opcua_services.Services.trend`` does.

        Raises
        ------
        Refusal
            No such point, nothing known of it, or too many questions.
        """
        index = self._index.get(tag)
        if index is None:
            raise Refusal("BadNodeIdUnknown", f"{tag}: no such point")
        to_ns = min(to_ns, time.time_ns())
        if from_ns > to_ns:
            raise Refusal("BadNoData", f"{tag}: nothing is known of a time to come")
        kept = NO_RECORD
        if self._helper is not None:
            kept = await self._helper.ask(tag, from_ns, to_ns, n)
        fresh = self._recent.of(index, max(from_ns, kept.until_ns + 1), to_ns)
        whole = ended(joined((kept.trend, fresh)), to_ns)
        if not len(whole.utc_ns):
            raise Refusal("BadNoData", f"{tag}: nothing is known of that time")
        return thinned(whole, n)

    async def close(self) -> None:
        """End the helper."""
        if self._helper is not None:
            await self._helper.close()


def ended(trend: Trend, to_ns: int) -> Trend:
    """Return a trend with what holds at its end as a last value: a value holds until there is another."""
    if not len(trend.utc_ns) or trend.utc_ns[-1] >= to_ns:
        return trend
    return Trend(
        np.append(trend.utc_ns, to_ns),
        np.append(trend.value, trend.value[-1]),
        np.append(trend.quality, trend.quality[-1]),
    )


class Helper:
    """The process that reads trend files; started by the first question, ended when there are none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._n = 0
        self._idle: asyncio.TimerHandle | None = None

    async def ask(self, tag: str, from_ns: int, to_ns: int, n: int) -> Found:
        """Return what the files have; Refusal when it cannot be had, or not in time."""
        if self._n > WAITING_MAX:
            raise Refusal("BadTooManyOperations")
        self._n += 1
        try:
            async with self._turn:
                return await self._ask({"tag": tag, "from_ns": from_ns, "to_ns": to_ns, "n": n})
        finally:
            self._n -= 1

    async def _ask(self, question: dict[str, object]) -> Found:
        """Ask the helper; another one, once, when it is dead."""
        line, why = json.dumps(question).encode() + b"\n", ""
        for _ in range(TRIES):
            try:
                return await self._answer(line)
            except TimeoutError:
                raise Refusal("BadTimeout") from None
            except (OSError, ValueError, KeyError, asyncio.IncompleteReadError) as error:
                why = str(error)
        raise Refusal("BadNoData", why)

    async def _answer(self, question: bytes) -> Found:
        is_whole = False
        try:
            process = await self._started()
            async with asyncio.timeout(TIMEOUT_S):
                found = await _exchange(process, question)
            is_whole = True
        finally:
            if is_whole:
                self._wait_idle()
            else:  # what is left of the answer would be taken for that to the next question
                self._kill()
        return found

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *command(self._folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        return self._process

    def _wait_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._kill_idle)

    def _kill_idle(self) -> None:
        if self._n == 0:
            self._kill()

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def close(self) -> None:
        """End the process for good."""
        if self._idle is not None:
            self._idle.cancel()
        process = self._process
        self._kill()
        if process is not None:
            await process.wait()


def command(folder: Path) -> Sequence[str]:
    """Return the command line of the helper."""
    return (sys.executable, "-P", "-m", "hil.services.trend_worker", str(folder))


async def _exchange(process: asyncio.subprocess.Process, question: bytes) -> Found:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(question)
    await process.stdin.drain()
    head = json.loads(await process.stdout.readline())
    if head["error"]:
        return NO_RECORD
    n = int(head["n"])
    body = await process.stdout.readexactly(17 * n)
    trend = Trend(
        np.frombuffer(body, "<i8", n),
        np.frombuffer(body, "<f8", n, 8 * n),
        np.frombuffer(body, "u1", n, 16 * n),
    )
    return Found(trend, int(head["until_ns"]))
