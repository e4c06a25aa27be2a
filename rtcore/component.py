"""What one component file declares: parameters, attributes that points may bind to.

A physical thing is one file: module docstring with its source, a class of ``param`` fields
under ``@component``, and free compiled kernels over structured arrays. Registry, dtypes,
range checks and documentation tables are derived from the declaration.
"""

from __future__ import annotations

import dataclasses as dc
import operator
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

import numpy as np

from rtcore.errors import GridhilError

T = TypeVar("T", bound=type)

LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "gt": (operator.gt, ">"),
    "ge": (operator.ge, ">="),
    "lt": (operator.lt, "<"),
    "le": (operator.le, "<="),
}


class ParameterError(GridhilError, ValueError):
    """A parameter outside its declared range."""


def param(*, default: Any = dc.MISSING, unit: str, doc: str, source: str = "", **limits: float) -> Any:
    """Declare one parameter with its unit, meaning, source and limits (gt, ge, lt, le)."""
    return dc.field(default=default, metadata={"unit": unit, "doc": doc, "source": source, "limits": limits})


@dc.dataclass(frozen=True, slots=True)
class Attr:
    """A state or output column: what a point may bind to.

    ``writable`` attributes take commands: "setpoint" keeps the value, "pulse" is consumed by
    the component's kernel. ``guard`` names an attribute that must be 1 for a command to pass.
    """

    name: str
    unit: str
    doc: str
    writable: str = ""
    guard: str = ""


@dc.dataclass(frozen=True, slots=True)
class Spec:
    """Everything derived from one declaration."""

    kind: str
    params: type
    attrs: tuple[Attr, ...]
    doc: str

    @property
    def param_dtype(self) -> np.dtype[Any]:
        """Structured dtype of a parameter row."""
        return np.dtype([(f.name, "f8") for f in dc.fields(self.params)])

    @property
    def state_dtype(self) -> np.dtype[Any]:
        """Structured dtype of a state row: float64 throughout, so that points address words."""
        return np.dtype([(a.name, "f8") for a in self.attrs])

    def column(self, attr: str) -> int:
        """Return the column of an attribute within a state row."""
        return [a.name for a in self.attrs].index(attr)

    def attr(self, name: str) -> Attr:
        """Return one attribute."""
        return self.attrs[self.column(name)]


REGISTRY: dict[str, Spec] = {}


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(param,))
def component(kind: str, *, attrs: tuple[Attr, ...]) -> Callable[[T], T]:
    """Register a parameter class as a component kind."""

    def wrap(cls: T) -> T:
        def check(self: Any) -> None:
            for f in dc.fields(self):
                for key, limit in f.metadata["limits"].items():
                    holds, sign = LIMITS[key]
                    value, unit = getattr(self, f.name), f.metadata["unit"]
                    if not holds(value, limit):
                        raise ParameterError(
                            f"{kind}.{f.name} = {value} {unit}".rstrip()
                            + f": must be {sign} {limit} {unit}".rstrip()
                            + f" ({f.metadata['doc']})"
                        )

        cls.__post_init__ = check  # type: ignore[attr-defined]
        made: Any = dc.dataclass(frozen=True, slots=True, kw_only=True)(cls)
        REGISTRY[kind] = Spec(kind, made, attrs, (cls.__doc__ or "").strip())
        return made  # type: ignore[no-any-return]

    return wrap


def rows_of(params: list[Any], spec: Spec) -> np.ndarray[Any, Any]:
    """Return a structured array of parameter rows."""
    table = np.zeros(len(params), spec.param_dtype)
    for i, p in enumerate(params):
        for name in table.dtype.names or ():
            table[name][i] = getattr(p, name)
    return table
