"""What one component file declares: parameters, attributes that points may bind to.

A physical thing is one file: module docstring with its source, a class of ``param`` fields
under ``@component``, and free compiled kernels over structured arrays. Registry, dtypes,
range checks and documentation tables are derived from the declaration.
"""

from __future__ import annotations

import dataclasses as dc
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any, TypeVar, dataclass_transform

import numpy as np

from rtcore.commands import Reason
from rtcore.errors import GridhilError, did_you_mean

T = TypeVar("T", bound=type)

LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "gt": (operator.gt, ">"),
    "ge": (operator.ge, ">="),
    "lt": (operator.lt, "<"),
    "le": (operator.le, "<="),
}


class ParameterError(GridhilError, ValueError):
    """Parameters of one object that cannot be: every one of them, a line each.

    ``problems`` holds (parameter, message).
    """

    def __init__(self, kind: str, problems: Iterable[tuple[str, str]]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(f"{kind}.{message}" for _, message in self.problems))


def param(
    *,
    default: Any = dc.MISSING,
    unit: str,
    doc: str,
    source: str = "",
    choices: Mapping[str, float] | None = None,
    is_whole: bool = False,
    **limits: float,
) -> Any:
    """Declare one parameter with its unit, meaning, source and limits (gt, ge, lt, le).

    Parameters
    ----------
    choices : mapping, optional
        Closed set of words and the number that a row holds for each. Users write the word; an
        object made with the word holds the number, too.
    is_whole : bool
        Takes whole numbers only; flags (``is_``, ``has_``) do so without saying it.
    """
    unknown = limits.keys() - LIMITS
    if unknown:
        raise TypeError(f"unknown limits {sorted(unknown)}; there are {', '.join(LIMITS)}")
    metadata = {
        "unit": unit,
        "doc": doc,
        "source": source,
        "limits": limits,
        "choices": dict(choices or {}),
        "is_whole": is_whole,
    }
    return dc.field(default=default, metadata=metadata)


def is_whole(field: dc.Field[Any]) -> bool:
    """Tell whether a parameter takes whole numbers only: the number of a word, a flag, a mask."""
    meta = field.metadata
    return bool(meta["choices"]) or meta["is_whole"] or field.name.startswith(("is_", "has_"))


@dc.dataclass(frozen=True, slots=True)
class Attr:
    """A state or output column: what a point may bind to.

    ``writable`` attributes take commands: "setpoint" keeps the value, "pulse" is consumed by
    the component's kernel. ``guard`` names an attribute that must be 1 for a command to pass
    (local/remote); ``interlocks`` names attributes that must be 1 for a command other than 0, each
    with the reason of the refusal, the first that does not hold counts. ``role`` is the least that
    may command it. ``stamp`` names the attribute that holds how long before the end of the step
    this one changed [s].
    """

    name: str
    unit: str
    doc: str
    writable: str = ""
    guard: str = ""
    interlocks: tuple[tuple[str, Reason], ...] = ()
    role: str = ""
    stamp: str = ""


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

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the parameters without default."""
        return tuple(f.name for f in dc.fields(self.params) if f.default is dc.MISSING)

    def column(self, attr: str) -> int:
        """Return the column of an attribute within a state row."""
        return [a.name for a in self.attrs].index(attr)

    def attr(self, name: str) -> Attr:
        """Return one attribute."""
        return self.attrs[self.column(name)]


REGISTRY: dict[str, Spec] = {}

Problems = Iterable[tuple[str, str]]
"""(parameter, message) each."""


def in_order(*names: str) -> Callable[[Any], Problems]:
    """Return a rule: the named parameters must not descend in this order."""

    def rule(params: Any) -> Problems:
        for low, high in itertools.pairwise(names):
            a, b = getattr(params, low), getattr(params, high)
            if a > b:
                yield high, f"{high} = {b:g}: must not be below {low} = {a:g}"

    return rule


def all_of(*rules: Callable[[Any], Problems]) -> Callable[[Any], Problems]:
    """Return a rule that asks several others."""
    return lambda params: [problem for rule in rules for problem in rule(params)]


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(param,))
def component(
    kind: str,
    *,
    attrs: tuple[Attr, ...],
    rules: Callable[[Any], Problems] = lambda _params: (),
    settings: bool = False,
) -> Callable[[T], T]:
    """Register a parameter class as a component kind.

    ``rules`` returns (parameter, message) for what its parameters must agree on among themselves.
    With ``settings`` the parameters can be changed while running: a second kind ``<kind>_settings``
    holds them as setpoints for engineers, an instance for every settings group.
    """

    def wrap(cls: T) -> T:
        def check(self: Any) -> None:
            problems = check_params(spec, {f.name: getattr(self, f.name) for f in dc.fields(self)})
            if problems:
                raise ParameterError(kind, problems)
            for f in dc.fields(self):
                value = getattr(self, f.name)
                if isinstance(value, str):
                    object.__setattr__(self, f.name, f.metadata["choices"][value])
            broken = list(rules(self))
            if broken:
                raise ParameterError(kind, broken)

        cls.__post_init__ = check  # type: ignore[attr-defined]
        made: Any = dc.dataclass(frozen=True, slots=True, kw_only=True)(cls)
        spec = REGISTRY[kind] = Spec(kind, made, attrs, (cls.__doc__ or "").strip())
        if settings:
            REGISTRY[settings_kind(kind)] = _settings_spec(spec)
        return made  # type: ignore[no-any-return]

    return wrap


def settings_kind(kind: str) -> str:
    """Return the kind that holds the settings of an element kind."""
    return f"{kind}_settings"


def _settings_spec(spec: Spec) -> Spec:
    """Return the declaration of a kind whose attributes are another one's parameters."""
    attrs = tuple(
        Attr(f"{f.name}_sp", f.metadata["unit"], f.metadata["doc"], writable="setpoint", role="engineer")
        for f in dc.fields(spec.params)
    )
    return Spec(
        settings_kind(spec.kind), _NoParameters, attrs, f"Settings of {spec.doc[:1].lower()}{spec.doc[1:]}"
    )


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class _NoParameters:
    """Parameters of a kind that has none."""


def check_params(spec: Spec, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (parameter, message) for everything that is wrong with values given by name.

    Not every parameter needs to be given; ``spec.required`` tells which ones an object needs.

    >>> @component("doc_example", attrs=())
    ... class Example:
    ...     h_s: float = param(default=5.0, unit="s", doc="inertia constant", gt=0)
    >>> check_params(REGISTRY.pop("doc_example"), {"h_s": -1})
    [('h_s', 'h_s = -1 s: must be > 0 s (inertia constant)')]
    """
    fields = {f.name: f for f in dc.fields(spec.params)}
    problems = []
    for name, value in values.items():
        if name not in fields:
            what = f"unknown parameter {name!r}; allowed: {', '.join(fields)}{did_you_mean(name, fields)}"
            problems.append((name, what))
            continue
        meta = fields[name].metadata
        what = _word_problem(value, meta["choices"]) if meta["choices"] else _number_problem(value, meta)
        if not what and isinstance(value, Real) and is_whole(fields[name]) and float(value) % 1.0 != 0.0:
            what = "must be a whole number"
        if what:
            shown = repr(value) if isinstance(value, str) else f"{value} {meta['unit']}".rstrip()
            problems.append((name, f"{name} = {shown}: {what} ({meta['doc']})"))
    return problems


def _word_problem(value: Any, choices: Mapping[str, float]) -> str:
    """Say what is wrong with a word of a closed set, or with the number that stands for one."""
    if value in (choices if isinstance(value, str) else choices.values()):
        return ""
    near = did_you_mean(value, choices) if isinstance(value, str) else ""
    return f"must be one of {', '.join(choices)}{near}"


def _number_problem(value: Any, meta: Mapping[str, Any]) -> str:
    if not isinstance(value, Real):
        return "must be a number"
    for key, limit in meta["limits"].items():
        holds, sign = LIMITS[key]
        if not holds(value, limit):
            return f"must be {sign} {limit} {meta['unit']}".rstrip()
    return "must be a number" if isinstance(value, float) and math.isnan(value) else ""


def rows_of(params: list[Any], spec: Spec) -> np.ndarray[Any, Any]:
    """Return a structured array of parameter rows."""
    table = np.zeros(len(params), spec.param_dtype)
    for i, p in enumerate(params):
        for name in table.dtype.names or ():
            table[name][i] = getattr(p, name)
    return table
