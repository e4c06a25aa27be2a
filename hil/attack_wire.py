"""The proxies of one attack file: one in front of each of the station's servers whose frames are attacked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from estimation.attacks import Attack
from estimation.tamper import Span, Tamper
from estimation.tamper_rows import Falsehood
from hil import joined_board
from hil.attack_background import beside, failures
from hil.attack_files import AttackFile
from hil.attack_proxy import IpNetwork, Proxy
from hil.run_command import within_reach
from hil.runspec import RunSpec
from protocols import modbus_map, modbus_tamper
from protocols.modbus_tamper import ModbusTamper
from protocols.opcua_settings import OpcuaSettings
from protocols.tamper_image import Image
from rtcore.errors import HostError


class Wire:
    """What stands between masters and a station.

    Parameters
    ----------
    clock_s : callable
        Time that the attacks count by [s].
    allowed : sequence of network
        Masters beside those on this machine.

    Raises
    ------
    HostError
        The station does not serve a protocol that is attacked, or encrypts all of it.
    """

    def __init__(
        self, spec: RunSpec, file: AttackFile, clock_s: Callable[[], float], allowed: Sequence[IpNetwork]
    ) -> None:
        self._spec, self._file, self._clock_s, self._allowed = spec, file, clock_s, allowed
        self._rng = np.random.default_rng(file.seed)
        self._tampers: list[Tamper] = []
        self._is_told, self._modbus_tally = False, modbus_tamper.Tally()
        self._attacks: list[Attack] = []
        self._said: list[str] = []
        self._core = joined_board.attach(spec)
        self._modbus = self._modbus_proxy() if file.on_wire("modbus") else None
        self._opcua = self._opcua_proxy() if file.on_wire("opcua") else None

    async def start(self, host: str, modbus_port: int, opcua_port: int) -> list[str]:
        """Listen, and say where; HostError when a port cannot be had."""
        said, of = [], self._spec
        if self._modbus is not None:
            port = await self._modbus.start(host, modbus_port)
            behind = f"{within_reach(of.modbus['host'])}:{of.modbus['port']}"
            said.append(f"Modbus: listening on {host}:{port}, in front of {behind}")
        if self._opcua is not None:
            port = await self._opcua.start(host, opcua_port)
            behind = f"{within_reach(of.opcua['host'])}:{of.opcua['port']}"
            here = f"[{host}]" if ":" in host else host
            url = f"opc.tcp://{here}:{port}{of.opcua['path']}"
            said.append(f"OPC UA: listening on {url}, in front of {behind}")
        return said

    async def close(self) -> None:
        """Drop every connection."""
        for proxy in (self._modbus, self._opcua):
            if proxy is not None:
                await proxy.close()

    @property
    def spans(self) -> list[Span]:
        """Ground truth of all attacks on the wire, by protocol."""
        return [s for t in self._tampers for s in t.spans]

    def take_rows(self) -> list[Falsehood]:
        """Return what went out falsified since the last call."""
        found = list[Falsehood]()
        for tamper in self._tampers:
            while rows := tamper.take_rows():
                found += rows
        return found

    def _simulated_s(self) -> float:
        """Return simulated time since the station's start [s], which models of the plant go by."""
        snapshot = self._core.read_core()
        if snapshot is None:
            raise HostError("the plant publishes nothing")
        return (snapshot.sim_ns - self._file.plan.station.start_utc_ns) * 1e-9

    def news(self) -> Iterator[str]:
        """Say what is to be said once."""
        for text in failures(self._attacks):
            if text not in self._said:
                self._said.append(text)
                yield text
        if self._opcua is not None and self._tally.encrypted and not self._is_told:
            self._is_told = True
            yield "OPC UA: encrypted: not rewritten"

    def counts(self) -> Iterator[str]:
        """Say what went through."""
        for name, proxy in (("Modbus", self._modbus), ("OPC UA", self._opcua)):
            if proxy is not None:
                yield (
                    f"{name}: {proxy.n_connections} connections, {proxy.n_refused} refused, "
                    f"{proxy.n_changed} frames changed, {proxy.n_cut} streams ended within a frame"
                )
        if self._modbus is not None:
            m = self._modbus_tally
            yield (
                f"Modbus: {m.malformed} frames not understood, {m.streams} streams of another protocol, "
                f"{m.mask_writes} mask writes passed as they are"
            )
        if self._opcua is not None:
            t = self._tally
            yield (
                f"OPC UA: {t.encrypted} channels encrypted, {t.malformed} messages not understood, "
                f"{t.too_long} without room for false values"
            )

    def _image(self, attacks: Sequence[Attack]) -> Image | None:
        """Return the points of attacks; None without any."""
        tags = list(dict.fromkeys(tag for a in attacks for tag in a.tags))
        if not tags:
            return None
        own = [beside(a, self._simulated_s) for a in attacks]
        self._attacks += own
        tamper = Tamper(own, {t: k for k, t in enumerate(tags)}, self._rng, keeps_rows=True)
        self._tampers.append(tamper)
        return Image(tags, tamper)

    def _modbus_proxy(self) -> Proxy:
        spec, attacks = self._spec, self._file.on_wire("modbus")
        if not spec.modbus.get("units"):
            raise HostError(f"station {spec.name} has no Modbus server")
        shown = self._image([a for a in attacks if a.name not in self._file.on_writes])
        written = self._image([a for a in attacks if a.name in self._file.on_writes])
        points = modbus_map.build(spec.points, spec.stamps, spec.modbus)
        server = within_reach(spec.modbus["host"]), int(spec.modbus["port"])
        tally = self._modbus_tally
        return Proxy(
            server, lambda _: ModbusTamper(points, shown, written, tally), self._clock_s, self._allowed
        )

    def _opcua_proxy(self) -> Proxy:
        from protocols.opcua_tamper import (
            OpcuaTamper,
            Tally,
        )  # it loads the library: only where one is needed

        spec = self._spec
        if not self._file.plan.station.opcua.enabled:
            raise HostError(f"station {spec.name} has no OPC UA server")
        if not OpcuaSettings.of(spec.opcua).offers_none:
            raise HostError(f"station {spec.name} encrypts all of OPC UA: nothing can be rewritten")
        image = self._image(self._file.on_wire("opcua"))
        assert image is not None
        self._tally = Tally()
        server = within_reach(spec.opcua["host"]), int(spec.opcua["port"])
        return Proxy(
            server,
            lambda address: OpcuaTamper(image, self._tally, server[1], address),
            self._clock_s,
            self._allowed,
        )
