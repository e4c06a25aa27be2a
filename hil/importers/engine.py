"""OpenDSS engine at work for the importer: compile, settle the controls, read element data. Nothing else.

The engine is dss-python, an optional extra. Every call runs in a context of its own, so that two
imports (or an import inside a user's own OpenDSS session) do not touch each other.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtcore.errors import HostError, Problem, UserInputError

FULL = 1  # DSSJSONFlags.Full: every property, full precision
EXPLICIT = 0  # only what the script set

TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[^\s\[\]{}:,"]+')
JSON_VALUE = re.compile(r'"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?\Z|(?:true|false|null)\Z')
INFINITE = re.compile(r"([+-]?)inf(?:inity)?", re.IGNORECASE)


def as_json(text: str) -> str:
    """Return the engine's property listing with everything that is not a JSON value spelt as not-a-number.

    The engine leaves some unused matrices uninitialised and prints whatever lies in that memory,
    in several spellings that no parser takes (``Nan``, ``+Inf``, ...).
    """

    def mended(token: re.Match[str]) -> str:
        if JSON_VALUE.match(token[0]):
            return token[0]
        infinite = INFINITE.fullmatch(token[0])
        return ("-Infinity" if infinite[1] == "-" else "Infinity") if infinite else "NaN"

    return TOKEN.sub(mended, text)


def new_context() -> Any:
    """Return a fresh engine context, or raise HostError naming the extra that holds it."""
    try:
        from dss import DSS
    except ImportError as error:
        raise HostError(
            "importing OpenDSS circuits needs dss-python, which is missing here; pip install gridhil[opendss]"
        ) from error
    context = DSS.NewContext()
    context.AllowForms = False
    context.AllowEditor = False
    return context


@contextlib.contextmanager
def working_directory_kept() -> Iterator[None]:
    """Put the working directory back: ``compile`` changes it, and so does a new context."""
    here = Path.cwd()
    try:
        yield
    finally:
        os.chdir(here)


class Session:
    """Reading access to the active circuit of one engine context."""

    def __init__(self, dss: Any) -> None:
        self.dss = dss

    @property
    def circuit(self) -> Any:
        """The engine's interface to the circuit."""
        return self.dss.ActiveCircuit

    def names(self) -> list[str]:
        """Return all circuit elements as ``class.name``, lower case, disabled ones included."""
        return [str(n).lower() for n in self.circuit.AllElementNames]

    def objects(self, kind: str) -> list[str]:
        """Return the names of all objects of a class, lower case."""
        self.circuit.SetActiveClass(kind)
        return [str(n).lower() for n in self.circuit.ActiveClass.AllNames if n and str(n).lower() != "none"]

    def classes(self) -> list[str]:
        """Return all classes the engine knows, lower case."""
        return [str(c).lower() for c in self.dss.Classes]

    def all_data(self, kind: str, which: int = FULL) -> dict[str, dict[str, Any]]:
        """Return the properties of every object of a class by lower-case name, disabled ones included."""
        self.circuit.SetActiveClass(kind)
        rows = json.loads(as_json(self.circuit.ActiveClass.ToJSON(which)))
        return {str(row["Name"]).lower(): row for row in rows}

    def activate(self, element: str) -> Any:
        """Make a circuit element active and return its interface."""
        self.circuit.SetActiveElement(element)
        return self.circuit.ActiveCktElement

    def is_enabled(self, element: str) -> bool:
        """Tell whether the element takes part."""
        return bool(self.activate(element).Enabled)

    def ends(self, element: str) -> list[tuple[str, tuple[int, ...]]]:
        """Return (bus, node numbers of all conductors) of every terminal of an enabled element."""
        e = self.activate(element)
        order = [int(k) for k in e.NodeOrder]
        n = int(e.NumConductors)
        buses = [str(b).split(".")[0].lower() for b in e.BusNames]
        return [(bus, tuple(order[i * n : (i + 1) * n])) for i, bus in enumerate(buses)]

    def open_phases(self, element: str) -> tuple[int, int]:
        """Return how many phases are open at either terminal, and how many the element has."""
        e = self.activate(element)
        n = int(e.NumPhases)
        terminals = range(1, int(e.NumTerminals) + 1)
        return sum(any(e.IsOpen(t, k) for t in terminals) for k in range(1, n + 1)), n

    def yprim(self, element: str) -> NDArray[np.complex128]:
        """Return the element's primitive admittance over all conductors [S]."""
        e = self.activate(element)
        flat = np.asarray(e.Yprim)
        y = flat if np.iscomplexobj(flat) else flat[0::2] + 1j * flat[1::2]
        k = int(e.NumConductors) * int(e.NumTerminals)
        return np.asarray(y.reshape(k, k).T, np.complex128)

    def option(self, name: str) -> str:
        """Return a solution option as text."""
        self.dss.Text.Command = f"get {name}"
        return str(self.dss.Text.Result).strip().lower()


def compiled(master: Path) -> Session:
    """Compile a master script and settle its controls; UserInputError carries the engine's own words."""
    if not master.is_file():
        what = "is a folder" if master.is_dir() else "no such file"
        raise UserInputError([Problem(str(master), "", f"{what}; an OpenDSS master script is needed")])
    dss = new_context()
    from dss import DSSException

    try:
        dss.Text.Command = f'compile "{master.resolve()}"'
        if not dss.NumCircuits:
            raise UserInputError([Problem(str(master), "", "the script defines no circuit")])
        dss.ActiveCircuit.Solution.Solve()
    except DSSException as error:
        text = " ".join(str(a) for a in error.args[1:]) or str(error)
        raise UserInputError([Problem(str(master), "", f"OpenDSS refuses it: {text.strip()}")]) from error
    if not dss.ActiveCircuit.Solution.Converged:
        what = "the power flow with controls does not converge in OpenDSS, so that no settled taps exist"
        raise UserInputError([Problem(str(master), "", what)])
    return Session(dss)


class Baseline:
    """What a circuit holds before the user adds anything, and what a fresh element looks like."""

    def __init__(self, kinds: Iterable[str]) -> None:
        session = Session(new_context())
        session.dss.Text.Command = "new circuit.fresh"
        self.built_in = {kind: set(session.objects(kind)) for kind in session.classes()}
        session.dss.Text.Command = "new transformer.fresh"
        for kind in set(kinds) - {"vsource", "transformer"}:
            extra = " transformer=fresh winding=2" if kind == "regcontrol" else ""
            session.dss.Text.Command = f"new {kind}.fresh{extra}"
        self.default = {kind: next(iter(session.all_data(kind).values())) for kind in kinds}
        for kind in set(kinds) - {"vsource"}:
            self.default[kind] = session.all_data(kind)["fresh"]
        self.options = {o: session.option(o) for o in OPTIONS}


OPTIONS = ("loadmult", "genmult", "loadmodel", "cktmodel", "neglectloady", "year", "longlinecorrection")
"""Solution options that change the result."""
