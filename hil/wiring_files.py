"""Wiring files: one TOML file says which point belongs to which place of a device under test.

caller           function        files read
run, check       device_dict     the file that the station names
relaytest        read_wiring     a wiring file
check            survey_wiring   a wiring file; its points are checked where they are known
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hil.paths import config_dir
from hil.settings import Station
from hil.settings_errors import check_model, load_toml
from hil.settings_sections import DeviceSection
from hil.wiring_places import Places
from hil.wiring_sections import (
    FailsafeSection,
    FromDeviceSection,
    HeartbeatSection,
    ToDeviceSection,
    TokenSection,
    WiringFile,
)
from protocols.gateway import check_value
from protocols.roles import may
from protocols.setpoint_steps import step_of
from protocols.wiring import LEVEL, RISING, FromDevice, Heartbeat, ToDevice, Token, Wiring
from rtcore.commands import REASON_TEXT, Reason
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.points import Kind, Point


def names() -> list[str]:
    """Return the names of the shipped wiring tables, sorted."""
    return sorted(p.stem for p in (config_dir() / "wiring").glob("*.toml"))


def find(name: str, near: Path | None = None) -> Path | None:
    """Return the path of a wiring file: a path, or a shipped table's name; None where there is none."""
    path, shipped = (near or Path()) / Path(name).expanduser(), config_dir() / "wiring" / f"{name}.toml"
    if path.is_file():
        return path
    return shipped if Path(name).name == name and shipped.is_file() else None


def read_wiring(name_or_path: str | Path, points: Sequence[Point], near: Path | None = None) -> Wiring:
    """Read and check a wiring table.

    Parameters
    ----------
    name_or_path : str or Path
        A shipped table's name or the path of a file.
    points : sequence of Point
        The station's.
    near : Path, optional
        Folder that a relative path starts from; default the working directory.

    Raises
    ------
    UserInputError
        Every problem of the file.
    """
    path = find(str(name_or_path), near)
    if path is None:
        raise UserInputError([Problem(str(name_or_path), "", _lost(str(name_or_path)))])
    wiring, problems = survey_wiring(path, points)
    if wiring is None:
        raise UserInputError(problems)
    return wiring


def _lost(name: str) -> str:
    known = names()
    return f"no wiring file {name!r}{did_you_mean(name, known)}; shipped: {', '.join(known) or 'none'}"


@dc.dataclass(frozen=True, slots=True)
class Wired:
    """What counts of a station here, for one that cannot be read whole."""

    path: Path
    device: DeviceSection


def device_dict(station: Station | Wired, points: Sequence[Point]) -> dict[str, Any]:
    """Return what gw-device needs, plain data; empty where it has nothing to do.

    Raises
    ------
    UserInputError
        Every problem of the wiring file, and between it and the station.
    """
    device, file = station.device, str(station.path)
    if device.wiring is None:
        return {}
    path = find(device.wiring, station.path.parent)
    if path is None:
        raise UserInputError([Problem(file, "device.wiring", _lost(device.wiring))])
    wiring, problems = survey_wiring(path, points)
    if wiring is None:
        raise UserInputError(problems)
    if wiring.role == "server":
        return {}  # the device polls
    if wiring.protocol == "opcua" and device.url is None:
        problems.append(Problem(file, "device.url", f"this key is missing; {path} is wired over OPC UA"))
    needed = {p.tag: p.role for p in points}
    for tag in dict.fromkeys(wiring.commanded()):
        if not may(device.role, needed[tag]):
            what = f"{device.role!r} may not command {tag}, which {path} wires; needed: {needed[tag]!r}"
            problems.append(Problem(file, "device.role", what))
    if problems:
        raise UserInputError(problems)
    where = {"host": device.host, "port": device.port, "url": device.url, "role": device.role}
    return where | {"wiring": wiring.to_dict()}


def survey_wiring(path: Path, points: Sequence[Point] | None) -> tuple[Wiring | None, list[Problem]]:
    """Return the table, or None and everything that is wrong with it; without points no tag is checked."""
    raw, problems = load_toml(path)
    if problems:
        return None, problems
    file, problems = check_model(WiringFile, raw, str(path))
    if file is None:
        return None, problems
    draft = _Draft(str(path), file, {p.tag: p for p in points} if points is not None else None)
    wiring = draft.wiring(path.stem)
    return (None, draft.problems) if draft.problems else (wiring, [])


class _Draft:
    """A wiring file while its problems are being collected."""

    def __init__(self, path: str, file: WiringFile, points: Mapping[str, Point] | None) -> None:
        self.problems: list[Problem] = []
        self._path, self._file, self._points = path, file, points
        self._places = Places(file.wiring, self._add)

    def _add(self, place: str, what: str) -> None:
        self.problems.append(Problem(self._path, place, what))

    def wiring(self, name: str) -> Wiring:
        """Return the table; good only if there is no problem."""
        file, head = self._file, self._file.wiring
        if head.role == "client" and not (file.to_device or file.from_device):
            self._add("", "neither [[to_device]] nor [[from_device]]: nothing is wired")
        if head.watchdog_s * 1e3 < max(2 * head.cycle_ms, head.timeout_ms):
            what = (
                f"{head.watchdog_s:g} s is less than two cycles or than timeout_ms ({head.timeout_ms:g} ms)"
            )
            self._add("wiring.watchdog_s", what)
        rows_to = tuple(self._to_device(k, row) for k, row in enumerate(file.to_device))
        rows_from = tuple(self._from_device(k, row) for k, row in enumerate(file.from_device))
        made = Wiring(
            name=name,
            role=head.role,
            protocol=head.protocol,
            cycle_ms=head.cycle_ms,
            timeout_ms=head.timeout_ms,
            watchdog_s=head.watchdog_s,
            to_device=rows_to,
            from_device=rows_from,
            token=None if file.token is None else self._token(file.token),
            heartbeat=self._heartbeat(file.heartbeat),
            failsafe=self._failsafe(file.failsafe),
        )
        self._places.check_overlaps()
        self._check_rivals()
        return made

    def _point(self, place: str, tag: str, is_fit: Callable[[Point], bool], needed: str) -> Point | None:
        """Return the point of a tag; one that is not there, or of another kind, is a problem."""
        if self._points is None:
            return None
        point = self._points.get(tag)
        if point is None:
            self._add(place, f"no point {tag!r}{did_you_mean(tag, self._points)}")
        elif not is_fit(point):
            self._add(place, f"{tag} is of kind {point.kind.value}; {needed} is needed")
            return None
        return point

    def _to_device(self, k: int, row: ToDeviceSection) -> ToDevice:
        at = f"to_device[{k}]"
        shown = "something to read (analog, status, setpoint)"
        self._point(f"{at}.point", row.point, lambda p: p.kind is not Kind.CONTROL, shown)
        place = self._places.read(at, row, is_written=True)
        if place is not None:
            self._check_scale(at, row, place.format)
            if place.format == "bool" and row.on_bad == "invalid":
                self._add(f"{at}.on_bad", 'a truth value has no "no value"; one of last, stop')
        quality = None
        if row.quality is not None:
            quality = self._places.read(f"{at}.quality", row.quality, is_written=True, counts=True)
        return ToDevice(
            point=row.point,
            place=place,
            scale=row.scale,
            offset=row.offset,
            on_bad=row.on_bad,
            quality=quality,
        )

    def _from_device(self, k: int, row: FromDeviceSection) -> FromDevice:
        at = f"from_device[{k}]"
        point = self._point(f"{at}.point", row.point, lambda p: p.is_writable, "a control or a setpoint")
        place = self._places.read(at, row, is_written=False)
        if place is not None:
            self._check_scale(at, row, place.format)
        is_level = point is not None and point.kind is Kind.SETPOINT
        if is_level and row.edge is not None:
            self._add(f"{at}.edge", f"{row.point} is a setpoint and gets each new value; leave edge out")
        return FromDevice(
            point=row.point,
            place=place,
            scale=row.scale,
            offset=row.offset,
            edge=LEVEL if is_level else row.edge or RISING,
        )

    def _check_scale(self, at: str, row: ToDeviceSection | FromDeviceSection, form: str) -> None:
        if row.scale == 0.0:
            self._add(f"{at}.scale", "0 is not allowed; a value could not come back")
        elif form == "bool" and (row.scale, row.offset) != (1.0, 0.0):
            self._add(f"{at}.scale", "a truth value has neither scale nor offset")

    def _token(self, token: TokenSection) -> Token:
        if token.point_out:
            shown = "something to read"
            self._point("token.point_out", token.point_out, lambda p: p.kind is not Kind.CONTROL, shown)
        if token.point_in:
            is_setpoint: Callable[[Point], bool] = lambda p: p.kind is Kind.SETPOINT  # noqa: E731
            self._point("token.point_in", token.point_in, is_setpoint, "a setpoint")
        if self._file.wiring.role == "client":
            for key in ("sent", "echo"):
                if getattr(token, key) is None:
                    self._add(f"token.{key}", "this key is missing: a token goes out and comes back")
        return Token(
            sent=self._places.counter("token.sent", token.sent, is_written=True),
            echo=self._places.counter("token.echo", token.echo, is_written=False),
            point_out=token.point_out,
            point_in=token.point_in,
            pass_on_ms=token.pass_on_ms,
        )

    def _heartbeat(self, beat: HeartbeatSection) -> Heartbeat:
        return Heartbeat(
            sent=self._places.counter("heartbeat.sent", beat.sent, is_written=True),
            received=self._places.counter("heartbeat.received", beat.received, is_written=False),
        )

    def _failsafe(self, section: FailsafeSection) -> tuple[tuple[str, float], ...]:
        for k, row in enumerate(section.write):
            at = f"failsafe.write[{k}]"
            point = self._point(f"{at}.point", row.point, lambda p: p.is_writable, "a control or a setpoint")
            reason = Reason.DONE if point is None else check_value(point, row.value, step_of(point))
            if point is not None and reason is not Reason.DONE:
                allowed = "0 or 1" if point.is_two_state else f"{point.minimum:g} to {point.maximum:g}"
                what = f"{row.value:g} is not allowed: {REASON_TEXT[reason]}; {allowed}"
                self._add(f"{at}.value", what)
        return tuple((row.point, row.value) for row in section.write)

    def _check_rivals(self) -> None:
        """Refuse two outputs that set the same setpoint: they would fight over it."""
        first: dict[str, int] = {}
        for k, row in enumerate(self._file.from_device):
            point = self._points.get(row.point) if self._points is not None else None
            if point is not None and point.kind is Kind.SETPOINT:
                if row.point in first:
                    what = f"{row.point} is set by from_device[{first[row.point]}], too"
                    self._add(f"from_device[{k}].point", what)
                first.setdefault(row.point, k)
