"""Command desk: audit, send, wait for the verdict, audit again; one per gateway process.

What a master is told is done has been done, exactly once, and both the wish and the answer
are on disk before the master reads the answer. Points of health (``Point.is_health``), which a device may
write in every cycle of its own and from which nothing in the plant follows, are audited only when refused;
on their way they take as long as others, as connections are timed by them.
"""

from __future__ import annotations

import asyncio
import dataclasses as dc
import math
import time
from collections.abc import Sequence
from typing import Any, Protocol

from protocols.gateway import Gateway
from protocols.roles import OBSERVER, beyond
from rtcore.commands import TTL_DEFAULT_NS, Reason, Verdict

POLL_S = 0.0005
GRACE_NS = 500_000_000
"""How long past a command's expiry the desk waits before it reports NO_VERDICT [ns]."""


@dc.dataclass(frozen=True, slots=True)
class Who:
    """Who asked: protocol, network peer, user, the wire reference they used, and what they may."""

    protocol: str
    peer: str
    user: str
    via: str = ""
    role: str = OBSERVER


class Audit(Protocol):
    """Durable, append-only record keeper; ``append`` returns once the record is on disk."""

    async def append(self, record: dict[str, Any]) -> None:
        """Write one record; raises OSError when it cannot."""

    async def pass_by(self, record: dict[str, Any]) -> None:
        """Take as long as ``append`` and keep nothing; raises OSError when it cannot."""


class CommandDesk:
    """Carries groups of writes from one gateway to the core and the verdicts back."""

    def __init__(self, gateway: Gateway, audit: Audit) -> None:
        self.gateway = gateway
        self._audit = audit
        self._waiting: dict[int, asyncio.Future[Verdict]] = {}
        self._poller: asyncio.Task[None] | None = None
        self.n_done = 0
        self.n_refused = 0
        self.last = ""

    async def execute(self, writes: Sequence[tuple[int, float]], who: Who) -> Verdict:
        """Carry out one group of (point index, value) and return the core's verdict.

        The group is applied at one step boundary or refused as a whole. Once the command is
        on its way it is seen through even if the master hangs up.
        """
        return await asyncio.shield(asyncio.ensure_future(self._execute(list(writes), who)))

    async def refuse(
        self, writes: Sequence[tuple[int, float]], who: Who, reason: Reason, **asked: Any
    ) -> Verdict:
        """Audit a write that the server refused on its own (authority, type) and say so.

        Where the role of who asked does not suffice, the record has the one that was needed;
        ``asked`` is put into it for writes that name no points.
        """
        verdict = Verdict(reason)
        needed = self.lacks(writes, who.role) if reason is Reason.NO_AUTHORITY else ""
        extra = {"needs": needed} | asked if needed else asked
        try:
            await self._audit.append(self._record("refused", writes, who, verdict=verdict, **extra))
        except OSError:
            pass  # the master is refused either way
        self._count(writes, verdict)
        return verdict

    def lacks(self, writes: Sequence[tuple[int, float]], role: str) -> str:
        """Return the role that a group of writes needs, "" where the given one suffices."""
        points = self.gateway.points
        return beyond(role, (points[i].role for i, _ in writes if 0 <= i < len(points)))

    async def note(self, event: str, **fields: Any) -> bool:
        """Audit something that is no command, such as a refused login; tell whether it is on disk.

        A full disk is no reason to fail.
        """
        return await self._keep({"event": event, **fields})

    async def _execute(self, writes: list[tuple[int, float]], who: Who) -> Verdict:
        reason = self.gateway.check(writes)
        if reason is Reason.DONE and self.lacks(writes, who.role):
            reason = Reason.NO_AUTHORITY
        if reason is Reason.DONE and not self.gateway.is_alive(time.monotonic_ns()):
            reason = Reason.CORE_DEAD
        if reason is not Reason.DONE:
            return await self.refuse(writes, who, reason)
        writes = self.gateway.settled(writes)
        is_kept = not all(self.gateway.points[i].is_health for i, _ in writes)
        if not await self._keep(self._record("command", writes, who), is_kept):
            return Verdict(Reason.AUDIT_FAILED)
        started_ns = time.monotonic_ns()
        ids = self.gateway.producer.push(writes, started_ns)
        if ids is None:
            return await self.refuse(writes, who, Reason.BUSY)
        verdicts = [await v for v in [self._expect(i) for i in ids]]
        refused = sorted(
            (v for v in verdicts if not v.is_done), key=lambda v: v.reason is Reason.GROUP_REFUSED
        )
        verdict = refused[0] if refused else verdicts[-1]  # the cause, not its consequence
        await self._until_published(verdict)
        latency_us = (time.monotonic_ns() - started_ns) // 1000
        record = self._record("verdict", writes, who, verdict=verdict, latency_us=latency_us)
        if (is_kept or not verdict.is_done) and not await self._keep(record):
            return Verdict(Reason.AUDIT_FAILED)
        self._count(writes, verdict)
        return verdict

    async def _keep(self, record: dict[str, Any], is_kept: bool = True) -> bool:
        """Audit; tell whether the record is on disk."""
        try:
            await (self._audit.append if is_kept else self._audit.pass_by)(record)
        except OSError:
            return False
        return True

    def _expect(self, command_id: int) -> asyncio.Future[Verdict]:
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting[command_id] = future
        if self._poller is None or self._poller.done():
            self._poller = asyncio.ensure_future(self._poll())
        return future

    async def _poll(self) -> None:
        """Collect verdicts while anybody waits; give up on commands long past their expiry."""
        born: dict[int, int] = {}
        while self._waiting:
            now = time.monotonic_ns()
            for command_id, verdict in self.gateway.producer.poll().items():
                self._settle(command_id, verdict)
            for command_id in list(self._waiting):
                is_overdue = now - born.setdefault(command_id, now) > TTL_DEFAULT_NS + GRACE_NS
                if is_overdue or not self.gateway.is_alive(now):
                    self._settle(command_id, Verdict(Reason.NO_VERDICT))
            await asyncio.sleep(POLL_S)

    def _settle(self, command_id: int, verdict: Verdict) -> None:
        future = self._waiting.pop(command_id, None)
        if future is not None and not future.done():
            future.set_result(verdict)

    async def _until_published(self, verdict: Verdict) -> None:
        """Wait for the step that shows the command, so that a read after the answer sees it."""
        while verdict.is_done and self.gateway.board.published < verdict.step:
            if not self.gateway.is_alive(time.monotonic_ns()):
                return
            await asyncio.sleep(POLL_S)

    def _count(self, writes: Sequence[tuple[int, float]], verdict: Verdict) -> None:
        self.n_done += verdict.is_done
        self.n_refused += not verdict.is_done

    def _record(
        self,
        event: str,
        writes: Sequence[tuple[int, float]],
        who: Who,
        verdict: Verdict | None = None,
        **extra: Any,
    ) -> dict[str, Any]:
        points = self.gateway.points
        record: dict[str, Any] = {
            "event": event,
            **dc.asdict(who),
            "writes": [
                [points[i].tag if 0 <= i < len(points) else None, v if math.isfinite(v) else repr(v)]
                for i, v in writes
            ],
        }
        if verdict is not None:
            record |= {"result": verdict.reason.name, "step": verdict.step}
        return record | extra
