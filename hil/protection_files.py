"""Protection scheme files, ``config/protection/<scheme>.toml``: relays, their elements and settings groups.

    [scheme]
    title = "Iowa 240-bus"

    [defaults.overcurrent_51]            # of all elements of a function; [defaults.relay_inputs] too
    reset = "dependent"

    [relay.cb_201]
    breaker = "cb_201"                   # its own; none: leave it out
    ct = {terminal = 1, primary_a = 400, secondary_a = 5, vk_v = 200, r_ohm = 1, x_over_r = 4}
    vt = "bus2001"                       # or {bus = "bus2001", class_pct = 0.5}
    group = 1                            # settings group in force

    [relay.cb_201.51p]
    function = "overcurrent_51"
    trips = ["cb_201"]                   # trip matrix
    direction = "67p"                    # or "-67p": permitted by that element's reverse direction
    starts_79 = true                     # starts_bf, locks_out likewise
    pickup_a = 300                       # settings of group 1
    curve = "iec_vi_b"

    [relay.cb_201.groups.2.51p]          # what is different in another group
    pickup_a = 450

``terminal`` is 1 or 2 of the relay's own breaker, or any terminal: "line.l_7@1". The keys of ``ct``
and ``vt`` are parameters of ``relay_inputs`` without their prefix. Functions, settings, units and
ranges come from the declarations (``rtcore.component``). Every problem comes in one report.

caller      function        files read
station     survey_scheme   the scheme file; the network is known already, or could not be read
tools       read_scheme     the same, and a problem is an error
"""

from __future__ import annotations

import dataclasses as dc
import re
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from hil.plant_settings import declare_all, listed, toml_key, value_problems
from hil.protection_vt_check import missing_phases
from hil.settings_errors import load_toml
from hil.toml_words import shown
from rtcore.assembly.instances import terminal_names
from rtcore.component import REGISTRY, ParameterError, Spec, settings_kind
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.network.model import Network
from rtcore.protection.relay import BREAKERS_MAX, ELEMENTS_MAX, GROUPS_MAX
from rtcore.protection.scheme import Element, Relay, Scheme

TABLES = ("scheme", "defaults", "relay")
RELAY_KEYS = ("breaker", "ct", "vt", "group", "groups")
FLAGS = ("starts_79", "starts_bf", "locks_out")
ELEMENT_KEYS = ("function", "trips", "direction", *FLAGS)
NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
INPUTS = "relay_inputs"
DIRECTIONAL, RECLOSER, BREAKER_FAILURE = "directional_67", "recloser_79", "breaker_failure_50bf"
PASSIVE = (DIRECTIONAL, RECLOSER)
"""Functions that trip nothing and start nothing."""

NEED_CT = ("overcurrent_51", "instantaneous_50", "negative_sequence_46", "thermal_49", BREAKER_FAILURE)
NEED_VT = ("undervoltage_27", "overvoltage_59", "frequency_81", "rocof_81r")
NEEDS = {**dict.fromkeys(NEED_CT, ("ct",)), **dict.fromkeys(NEED_VT, ("vt",)), DIRECTIONAL: ("ct", "vt")}
"""Function -> instrument transformers it needs."""


def functions() -> list[str]:
    """Return the protection functions: the kinds that have settings."""
    declare_all()
    return sorted(kind for kind in REGISTRY if settings_kind(kind) in REGISTRY)


def read_scheme(path: Path, network: Network) -> Scheme:
    """Read a scheme for a network.

    Raises
    ------
    UserInputError
        Every problem of the file.
    """
    scheme, problems = survey_scheme(path, network)
    if scheme is None:
        raise UserInputError(problems)
    return scheme


def survey_scheme(path: Path, network: Network | None) -> tuple[Scheme | None, list[Problem]]:
    """Read a scheme as far as it can be read; without a network no name of it is checked.

    Returns
    -------
    scheme : Scheme or None
        None when there is any problem.
    problems : list of Problem
    """
    raw, problems = load_toml(path)
    if problems:
        return None, problems
    draft = _Draft(str(path), network)
    scheme = draft.read(raw, path.stem)
    return (None if draft.problems else scheme), draft.problems


class _Draft:
    """A scheme file while its problems are being collected."""

    def __init__(self, file: str, network: Network | None) -> None:
        self.file, self.problems = file, list[Problem]()
        self.network, self.functions = network, functions()
        self.breakers: list[str] | None = None
        self.buses: list[str] | None = None
        self.terminals: list[str] | None = None
        if network is not None:
            self.breakers = [s.name for s in network.switches if s.kind != "fuse"]
            self.buses = [b.name for b in network.buses]
            self.terminals = terminal_names(network)
        self.defaults: dict[str, dict[str, Any]] = {}

    def problem(self, place: str, what: str) -> None:
        self.problems.append(Problem(self.file, place, what))

    def read(self, raw: Mapping[str, Any], name: str) -> Scheme:
        """Return the scheme; of use only when there is no problem."""
        self.known(raw, TABLES, "", "table")
        head = self.table(raw, "scheme")
        self.known(head, ("title",), "scheme", "key")
        title = head.get("title", "")
        if not isinstance(title, str):
            self.problem("scheme", f"title = {shown(title)}: must be a text")
        self.read_defaults(self.table(raw, "defaults"))
        if len(self.breakers or ()) > BREAKERS_MAX:
            n = len(self.breakers or ())
            self.problem("scheme", f"the network has {n} breakers; a trip matrix has {BREAKERS_MAX} at most")
        relays = self.table(raw, "relay")
        if not relays:
            self.problem("relay", "no relay; a scheme has at least one table [relay.<name>]")
        made = [_RelayDraft(self, word, table).read() for word, table in relays.items()]
        self.check_breakers([r for r in made if r is not None])
        scheme = Scheme(name=name, title=str(title), relays=tuple(r for r in made if r is not None))
        if self.network is not None:
            for place, what in missing_phases(scheme, self.network):
                self.problem(place, what)
        return scheme

    def read_defaults(self, tables: Mapping[str, Any]) -> None:
        allowed = [*self.functions, INPUTS]
        for kind, values in tables.items():
            place = f"defaults.{toml_key(kind)}"
            if kind not in allowed:
                self.problem(place, f"unknown function; allowed: {', '.join(allowed)}{_near(kind, allowed)}")
            elif not isinstance(values, dict):
                self.problem(place, f"{shown(values)}: must be a table of settings")
            else:
                self.defaults[kind] = self.values(REGISTRY[kind], values, place)

    def check_breakers(self, relays: Collection[Relay]) -> None:
        counts = Counter(r.breaker for r in relays if r.breaker)
        for relay in relays:
            if counts[relay.breaker] > 1:
                others = [r.name for r in relays if r.breaker == relay.breaker and r is not relay]
                what = (
                    f"breaker {relay.breaker!r} is that of {', '.join(others)}, too; one relay, one breaker"
                )
                self.problem(f"relay.{toml_key(relay.name)}", what)

    # ---- what all tables share ----------------------------------------------------------------

    def table(self, raw: Mapping[str, Any], key: str, place: str = "") -> Mapping[str, Any]:
        """Return a table that may be missing."""
        value = raw.get(key, {})
        if isinstance(value, dict):
            return value
        self.problem(f"{place}.{key}".strip("."), f"{shown(value)}: must be a table")
        return {}

    def known(self, raw: Mapping[str, Any], allowed: Collection[str], place: str, called: str) -> None:
        for key in raw:
            if key not in allowed:
                what = f"unknown {called} {key!r}; allowed: {', '.join(allowed)}{_near(key, allowed)}"
                self.problem(place, what)

    def values(self, spec: Spec, raw: Mapping[str, Any], place: str) -> dict[str, Any]:
        """Return the settings among given ones that are good, and report the others."""
        good = {}
        for name, value in raw.items():
            wrong = value_problems(spec, {name: _as_declared(spec, name, value)})
            for what in wrong:
                self.problem(place, what)
            if not wrong:
                good[name] = _as_declared(spec, name, value)
        return good

    def made(self, spec: Spec, values: Mapping[str, Any], place: str) -> Any:
        """Return a parameter object, None with a problem where the settings do not fit together."""
        missing = [name for name in spec.required if name not in values]
        for name in missing:
            self.problem(
                place, f"{name} is missing and has no default ({_field(spec, name).metadata['doc']})"
            )
        try:
            return None if missing else spec.params(**values)
        except ParameterError as error:
            for _, what in error.problems:
                self.problem(place, what)
            return None

    def named(self, word: Any, names: Collection[str] | None, called: str, place: str) -> bool:
        """Tell whether a name is one of those that there are; those of an unread network are not known."""
        if not isinstance(word, str):
            self.problem(place, f"{called} = {shown(word)}: must be a name")
            return False
        if names is None or word in names:
            return True
        self.problem(
            place, f"{called} {word!r} does not exist; there are {listed(names)}{_near(word, names)}"
        )
        return False


class _RelayDraft:
    """One relay's table."""

    def __init__(self, draft: _Draft, name: str, raw: Any) -> None:
        self.draft, self.name, self.raw, self.place = draft, name, raw, f"relay.{toml_key(name)}"
        self.elements: dict[str, Mapping[str, Any]] = {}

    def problem(self, what: str, element: str = "") -> None:
        self.draft.problem(f"{self.place}.{toml_key(element)}" if element else self.place, what)

    def read(self) -> Relay | None:
        """Return the relay as far as it could be read."""
        if not isinstance(self.raw, dict):
            self.problem(f"{shown(self.raw)}: must be a table")
            return None
        self._check_name(self.name, "")
        self._split()
        breaker = self.raw.get("breaker", "")
        if breaker != "":
            self.draft.named(breaker, self.draft.breakers, "breaker", self.place)
        terminal, ct = self._ct(breaker)
        bus, vt = self._vt()
        inputs = REGISTRY[INPUTS]
        merged = {**self.draft.defaults.get(INPUTS, {}), **ct, **vt}
        groups = self._groups()
        elements = [self._element(name, table, groups) for name, table in self.elements.items()]
        self._check_whole(str(breaker))
        return Relay(
            name=self.name,
            breaker=str(breaker),
            terminal=terminal,
            vt_bus=bus,
            group=self._group(len(groups) + 1),
            inputs=self.draft.made(inputs, merged, f"{self.place}.ct"),
            elements=tuple(e for e in elements if e is not None),
        )

    def _check_name(self, name: str, element: str) -> None:
        if not NAME.fullmatch(name):
            self.problem(f"name {name!r}: lower-case letters, digits and _ only", element)

    def _split(self) -> None:
        """Sort the relay's keys: tables are elements."""
        for key, value in self.raw.items():
            if key in RELAY_KEYS:
                continue
            if isinstance(value, dict) and ("function" in value or not _near(key, RELAY_KEYS)):
                self.elements[key] = value
                self._check_name(key, key)
                continue
            allowed = f"allowed: {', '.join(RELAY_KEYS)} and tables of elements"
            self.problem(f"unknown key {key!r}; {allowed}{_near(key, RELAY_KEYS)}")
        if not self.elements:
            self.problem("no element; a relay has at least one table [relay.<name>.<element>]")
        if len(self.elements) > ELEMENTS_MAX:
            self.problem(f"{len(self.elements)} elements; a relay has {ELEMENTS_MAX} at most")

    # ---- instrument transformers --------------------------------------------------------------

    def _ct(self, breaker: Any) -> tuple[str, dict[str, Any]]:
        """Return the terminal of the CTs and what is said of them."""
        if "ct" not in self.raw:
            return "", {}
        table = dict(self.draft.table(self.raw, "ct", self.place))
        at, place = table.pop("terminal", 1), f"{self.place}.ct"
        values = self._inputs(table, "ct", place)
        if isinstance(at, int) and not isinstance(at, bool):
            if breaker == "":
                what = f'terminal = {at}: the relay has no breaker; name the terminal, "line.l_7@1"'
                self.draft.problem(place, what)
                return "", values
            if at not in (1, 2):
                self.draft.problem(place, f"terminal = {at}: a breaker has terminals 1 and 2")
                return "", values
            return f"switch.{breaker}@{at}", values
        is_there = self.draft.named(at, self.draft.terminals, "terminal", place)
        return (at if is_there else ""), values

    def _vt(self) -> tuple[str, dict[str, Any]]:
        """Return the bus of the VTs and what is said of them."""
        vt = self.raw.get("vt", "")
        if vt == "":
            return "", {}
        table = dict(vt) if isinstance(vt, dict) else {"bus": vt}
        place = f"{self.place}.vt"
        if "bus" not in table:
            self.draft.problem(place, "bus is missing and has no default (bus of the voltage transformers)")
            return "", {}
        bus = table.pop("bus")
        self.draft.named(bus, self.draft.buses, "bus", place)
        return str(bus), self._inputs(table, "vt", place)

    def _inputs(self, table: Mapping[str, Any], side: str, place: str) -> dict[str, Any]:
        """Return parameters of ``relay_inputs``; those of the other side are not this one's."""
        spec = REGISTRY[INPUTS]
        other = "vt_" if side == "ct" else "ct_"
        mine = [f.name for f in dc.fields(spec.params) if f.name.startswith(f"{side}_")]
        if side == "ct":
            mine = [f.name for f in dc.fields(spec.params) if not f.name.startswith(other)]
        full = {name.removeprefix(f"{side}_"): name for name in mine}
        self.draft.known(table, [*full, "terminal" if side == "ct" else "bus"], place, "key")
        return self.draft.values(spec, {full[k]: v for k, v in table.items() if k in full}, place)

    # ---- settings groups ----------------------------------------------------------------------

    def _groups(self) -> list[Mapping[str, Any]]:
        """Return the tables of the groups from 2 on; one left out between two is as group 1."""
        found: dict[int, Mapping[str, Any]] = {}
        for word, table in self.draft.table(self.raw, "groups", self.place).items():
            place = f"{self.place}.groups.{toml_key(word)}"
            number = int(word) if re.fullmatch(r"[0-9]{1,9}", word) else 0
            if not 2 <= number <= GROUPS_MAX:
                self.draft.problem(
                    place, f"a further group is one of 2..{GROUPS_MAX}; group 1 is the element's own"
                )
            elif not isinstance(table, dict):
                self.draft.problem(place, f"{shown(table)}: must be a table of elements")
            else:
                found[number] = table
                self.draft.known(table, list(self.elements), place, "element")
        return [found.get(k, {}) for k in range(2, max(found, default=1) + 1)]

    def _group(self, n_groups: int) -> int:
        """Return the number of the group in force."""
        group = self.raw.get("group", 1)
        if isinstance(group, dict):
            what = "group is the number of the group in force; the table is [relay.<name>.groups.2.<element>]"
            self.problem(what)
        elif not isinstance(group, int) or isinstance(group, bool) or not 1 <= group <= GROUPS_MAX:
            self.problem(f"group = {shown(group)}: must be a whole number 1..{GROUPS_MAX}")
        elif group > n_groups:
            self.problem(f"group = {group}: there is no [{self.place}.groups.{group}]; groups: 1..{n_groups}")
        else:
            return group
        return 1

    # ---- elements -----------------------------------------------------------------------------

    def _element(self, name: str, raw: Mapping[str, Any], groups: list[Mapping[str, Any]]) -> Element | None:
        """Return one element, None where its function or settings are wrong."""
        place = f"{self.place}.{toml_key(name)}"
        function = raw.get("function")
        if function not in self.draft.functions:
            allowed = ", ".join(self.draft.functions)
            said = "function is missing" if function is None else f"unknown function {function!r}"
            self.problem(f"{said}; allowed: {allowed}{_near(function, self.draft.functions)}", name)
            return None
        spec = REGISTRY[function]
        own = _own_keys(spec)
        given = self.draft.values(spec, {k: v for k, v in raw.items() if k not in own}, place)
        base = {**self.draft.defaults.get(function, {}), **given}
        settings = [self.draft.made(spec, base, place)]
        for number, group in enumerate(groups, 2):
            other = group.get(name, {})
            settings.append(self._in_group(spec, name, base, other, number) if other != {} else settings[0])
        words = {k: v for k, v in raw.items() if k in own}
        flags = {k: self._flag(words, k, name) for k in FLAGS}
        element = Element(
            name=name,
            function=function,
            trips=self._trips(words.get("trips", []), name),
            direction=self._direction(words.get("direction", ""), name),
            settings=tuple(settings),
            **flags,
        )
        self._check_role(element)
        self._check_flags(element, words.get("trips", []))
        return element

    def _in_group(self, spec: Spec, name: str, base: Mapping[str, Any], raw: Any, number: int) -> Any:
        """Return the settings of an element in a further group."""
        place = f"{self.place}.groups.{number}.{toml_key(name)}"
        if not isinstance(raw, dict):
            self.draft.problem(place, f"{shown(raw)}: must be a table of settings")
            return None
        own = _own_keys(spec)
        for key in raw:
            if key in own:
                self.draft.problem(
                    place, f"{key} is the same in all groups; it stands in [{self.place}.{toml_key(name)}]"
                )
        values = self.draft.values(spec, {k: v for k, v in raw.items() if k not in own}, place)
        return self.draft.made(spec, {**base, **values}, place)

    def _flag(self, words: Mapping[str, Any], key: str, element: str) -> bool:
        value = words.get(key, False)
        if not isinstance(value, bool):
            self.problem(f"{key} = {shown(value)}: must be true or false", element)
        return value is True

    def _trips(self, value: Any, element: str) -> tuple[str, ...]:
        """Return the breakers of an element's row of the trip matrix."""
        if not isinstance(value, list):
            self.problem(f"trips = {shown(value)}: must be a list of breakers", element)
            return ()
        place = f"{self.place}.{toml_key(element)}"
        good = [w for w in value if self.draft.named(w, self.draft.breakers, "trips: breaker", place)]
        for word in {w for w in good if good.count(w) > 1}:
            self.problem(f"trips: breaker {word!r} stands there twice", element)
        return tuple(good)

    def _direction(self, value: Any, element: str) -> str:
        """Return the directional element that permits this one."""
        known = [n for n, table in self.elements.items() if table.get("function") == DIRECTIONAL]
        if value == "" or (isinstance(value, str) and value.removeprefix("-") in known):
            return str(value)
        there = f"there are {', '.join(known)}" if known else f"the relay has no {DIRECTIONAL}"
        near = _near(value.removeprefix("-"), known) if isinstance(value, str) else ""
        self.problem(f"direction = {shown(value)}: no {DIRECTIONAL} of this relay; {there}{near}", element)
        return ""

    def _check_role(self, e: Element) -> None:
        """Check what an element does against what its function can."""
        if e.function in PASSIVE:
            said = [k for k in ("trips", "direction", *FLAGS) if getattr(e, k)]
            if said:
                self.problem(f"{', '.join(said)}: {e.function} trips and starts nothing", e.name)
        kinds = [table.get("function") for table in self.elements.values()]
        for flag, needed in (("starts_79", RECLOSER), ("starts_bf", BREAKER_FAILURE)):
            if getattr(e, flag) and needed not in kinds:
                self.problem(f"{flag} = true: this relay has no {needed}", e.name)

    def _check_flags(self, e: Element, trips: Any) -> None:
        """Check that there is a trip behind what an element starts.

        Breaker failure would be started on a breaker that nobody asked to open, reclosing would wait for it;
        the lockout latches with a trip only.
        """
        said = [k for k in FLAGS if getattr(e, k)]
        if e.function in PASSIVE or not said or not isinstance(trips, list):
            return
        if not trips:
            what = "it trips nothing, and so is an alarm, which starts and locks out nothing; name trips"
            self.problem(f"{', '.join(said)} = true: {what}, or leave it out", e.name)
            return
        own = self.raw.get("breaker", "")
        about_own = [k for k in said if k != "locks_out"]
        is_told = len(e.trips) < len(trips)  # a name that is not known may be meant to be it
        if about_own and own != "" and own not in trips and not is_told:
            what = f"goes with a trip of the relay's own breaker {own!r}, which is not among its trips"
            self.problem(f"{', '.join(about_own)} = true: {what}", e.name)

    def _check_whole(self, breaker: str) -> None:
        """Check what the relay's elements need."""
        kinds = Counter(str(table.get("function")) for table in self.elements.values())
        for name, table in self.elements.items():
            function = str(table.get("function"))
            for side in NEEDS.get(function, ()):
                if self.raw.get(side, "") == "":
                    self.problem(f"{function} needs a {side}; the relay has none", name)
            if function in (RECLOSER, BREAKER_FAILURE):
                if not breaker:
                    self.problem(f"{function} needs a breaker; the relay has none", name)
                if kinds[function] > 1:
                    self.problem(f"the relay has {kinds[function]} of {function}; it can have one", name)


def functions_md() -> str:
    """Return a table of settings for every protection function: unit, range, default."""
    return "\n".join(_function_md(REGISTRY[kind]) for kind in functions())


def _function_md(spec: Spec) -> str:
    lines = [f"### {spec.kind}", "", spec.doc.splitlines()[0], ""]
    lines += ["| setting | unit | range | default | meaning |", "| --- | --- | --- | --- | --- |"]
    for f in dc.fields(spec.params):
        meta = f.metadata
        cells = (f.name, meta["unit"], _range(meta), _default(f), meta["doc"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _range(meta: Mapping[str, Any]) -> str:
    """Return the range of a setting: words, or limits as an interval or comparisons."""
    if meta["choices"]:
        return ", ".join(meta["choices"])
    limits = meta["limits"]
    if limits.keys() == {"ge", "le"}:
        return f"{limits['ge']:g} .. {limits['le']:g}"
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    return ", ".join(f"{signs[k]} {v:g}" for k, v in limits.items())


def _default(field: dc.Field[Any]) -> str:
    if field.default is dc.MISSING:
        return "required"
    words = {number: word for word, number in field.metadata["choices"].items()}
    return field.default if isinstance(field.default, str) else words.get(field.default, f"{field.default:g}")


def _field(spec: Spec, name: str) -> dc.Field[Any]:
    return next(f for f in dc.fields(spec.params) if f.name == name)


def _own_keys(spec: Spec) -> list[str]:
    """Return the keys of an element's table that are no settings; a setting of such a name goes first.

    A 81 has a setting ``direction``, and looks at no current that could have one.
    """
    settings = [f.name for f in dc.fields(spec.params)]
    return [key for key in ELEMENT_KEYS if key not in settings]


def _as_declared(spec: Spec, name: str, value: Any) -> Any:
    """Return a value as its declaration has it: flags may be true or false, words in any case."""
    if isinstance(value, bool) and name.startswith(("is_", "has_")):
        return float(value)
    if isinstance(value, str) and name in (f.name for f in dc.fields(spec.params)):
        words = {word.lower(): word for word in _field(spec, name).metadata["choices"]}
        return words.get(value.lower(), value)
    return value


def _near(word: Any, allowed: Collection[str]) -> str:
    return did_you_mean(word, allowed) if isinstance(word, str) else ""
