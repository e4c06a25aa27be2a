"""``[plant.<kind>.<instance>]`` of a station file: parameters of the plant's components.

Kinds, parameters, units and limits come from the declarations (``rtcore.component``). The instance
is a name, or a pattern that gives several instances their defaults: ``[plant.pv."*"]``. For one
parameter of one instance an exact name goes before patterns, a later pattern before an earlier one.
"""

from __future__ import annotations

import dataclasses as dc
import fnmatch
import importlib
import math
import pkgutil
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from hil import toml_words
from rtcore.component import REGISTRY, ParameterError, Spec, check_params
from rtcore.errors import Problem, did_you_mean

Values = dict[str, Any]
"""Parameter -> value."""

LISTED_MAX = 12
"""Names listed in one message."""

PUBLISHERS = "hil.publishers"
"""Imports what declares the points of processes beside the core."""
COMPONENT_PACKAGES = ("rtcore.plant", "rtcore.control", "rtcore.protection")


def declare_all() -> None:
    """Import every component file, so that every kind is declared."""
    importlib.import_module(PUBLISHERS)
    for name in COMPONENT_PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{name}.{module.name}")


def read_plant(
    raw: Mapping[str, Mapping[str, Mapping[str, Any]]],
    instances: Mapping[str, Collection[str]] | None,
    file: str,
    *,
    stated: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """Check the plant tables of a station file and make the parameter objects.

    Parameters
    ----------
    raw : mapping
        Kind -> instance or pattern -> parameter -> value, as the file has them.
    instances : mapping or None
        Kind -> names of the instances that there are. None where they are not known (the network
        could not be read): kinds, parameters and values are checked, and nothing is made.
    file : str
        Name of the file, for problems.
    stated : mapping, optional
        Kind -> instance -> parameters that the network itself states; the file goes before them.

    Returns
    -------
    plant : dict
        Kind -> instance -> parameter object, for every instance that the file speaks of.
    problems : list of Problem
        Everything wrong; a table with a problem counts for nothing in ``plant``.
    """
    declare_all()
    plant: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    kinds = [k for k in (REGISTRY if instances is None else instances) if _has_parameters(k)]
    for kind, tables in raw.items():
        if kind not in kinds:
            what = f"unknown kind; allowed: {', '.join(sorted(kinds))}{did_you_mean(kind, kinds)}"
            problems.append(Problem(file, f"plant.{toml_key(kind)}", what))
            continue
        names = None if instances is None else instances[kind]
        reader = _Kind(REGISTRY[kind], names, (stated or {}).get(kind, {}), file)
        made = reader.read(tables)
        problems += reader.problems
        if made:
            plant[kind] = made
    return plant, problems


def given_values(
    raw: Mapping[str, Mapping[str, Mapping[str, Any]]], instances: Mapping[str, Collection[str]]
) -> dict[str, dict[str, Values]]:
    """Return kind -> instance -> the values that tables without a problem give it.

    Patterns are resolved; nothing is added that the file does not say, and words stay words.
    """
    found = {}
    for kind, tables in raw.items():
        names = instances[kind]
        given = {name: _given(name, names, tables) for name in names}
        found[kind] = {name: values for name, values in given.items() if values is not None}
    return found


def over(
    below: Mapping[str, Mapping[str, Mapping[str, Any]]], above: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> dict[str, dict[str, Values]]:
    """Return kind -> instance -> values of both, those of ``above`` where both speak of a parameter.

    Both as ``given_values`` returns them: instances by name, no patterns.
    """
    merged: dict[str, dict[str, Values]] = {}
    for tables in (below, above):
        for kind, instances in tables.items():
            for name, values in instances.items():
                merged.setdefault(kind, {}).setdefault(name, {}).update(values)
    return merged


def _given(name: str, names: Collection[str], tables: Mapping[str, Mapping[str, Any]]) -> Values | None:
    """Return what the tables of a kind say of one instance; None when they do not speak of it."""
    words = [word for word in tables if word not in names and fnmatch.fnmatchcase(name, word)]
    words += [name] if name in tables else []
    return {k: v for word in words for k, v in tables[word].items()} if words else None


class _Kind:
    """The tables of one kind."""

    def __init__(
        self,
        spec: Spec,
        names: Collection[str] | None,
        stated: Mapping[str, Mapping[str, Any]],
        file: str,
    ) -> None:
        self.spec, self.names, self.stated, self.file = spec, names, stated, file
        self.problems: list[Problem] = []

    def read(self, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return instance -> parameter object, in the order of the instances."""
        good: dict[str, Mapping[str, Any]] = {}
        for word, values in tables.items():
            wrong = [*self._name_problems(word), *value_problems(self.spec, values)]
            for what in wrong:
                self._problem(word, what)
            if not wrong:
                good[word] = values
        made = {name: self._made(name, good) for name in self.names or ()}
        return {name: params for name, params in made.items() if params is not None}

    def _name_problems(self, word: str) -> Iterator[str]:
        """Say what is wrong with a name or pattern."""
        names, kind = self.names, self.spec.kind
        if names is None or word in names:
            return
        if not names:
            yield f"the network has no {kind}"
        elif not any(c in word for c in "*?["):
            yield f"no {kind} of this name; allowed: {listed(names)}{did_you_mean(word, names)}"
        elif not any(fnmatch.fnmatchcase(name, word) for name in names):
            yield f"fits no {kind}; there are {listed(names)}"

    def _made(self, name: str, good: Mapping[str, Mapping[str, Any]]) -> Any:
        """Return the parameter object of one instance; None when no table speaks of it."""
        assert self.names is not None
        values = _given(name, self.names, good)
        if values is None:
            return None
        values = {**self.stated.get(name, {}), **values}
        fields = {f.name: f for f in dc.fields(self.spec.params)}
        missing = [k for k in self.spec.required if k not in values]
        for k in missing:
            self._problem(name, f"{k} is missing and has no default ({fields[k].metadata['doc']})")
        try:
            return None if missing else self.spec.params(**values)
        except ParameterError as error:
            for _, what in error.problems:
                self._problem(name, what)
            return None

    def _problem(self, word: str, what: str) -> None:
        self.problems.append(Problem(self.file, f"plant.{toml_key(self.spec.kind)}.{toml_key(word)}", what))


def value_problems(spec: Spec, values: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the names, types and ranges of parameters."""
    fields = {f.name: f for f in dc.fields(spec.params)}
    found = {name: _type_problem(fields[name], values[name]) for name in values if name in fields}
    others = {name: value for name, value in values.items() if not found.get(name)}
    return [*filter(None, found.values()), *(what for _, what in check_params(spec, others))]


def _type_problem(field: dc.Field[Any], value: Any) -> str:
    """Say what is wrong with the type of a value; ranges are ``check_params``' matter."""
    choices, unit = field.metadata["choices"], field.metadata["unit"]
    kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", "")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if choices:
        is_good, need = isinstance(value, str), f"one of {', '.join(choices)}"
    elif kind == "bool":
        is_good, need = isinstance(value, bool), "true or false"
    elif kind == "int" and not (is_number and isinstance(value, int)):
        is_good, need = False, "a whole number"
    else:
        is_good, need = is_number and _is_finite(value), "a finite number" if is_number else "a number"
    if is_good:
        return ""
    in_unit = f" [{unit}]" if unit else ""
    return f"{field.name} = {toml_words.shown(value)}: must be {need}{in_unit} ({field.metadata['doc']})"


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # TOML whole numbers have no end
        return False


def _has_parameters(kind: str) -> bool:
    return kind in REGISTRY and bool(dc.fields(REGISTRY[kind].params))


def listed(names: Collection[str]) -> str:
    """Return names as a message lists them."""
    shown = [name for name, _ in zip(names, range(LISTED_MAX), strict=False)]
    more = f", .. ({len(names)} in all)" if len(names) > LISTED_MAX else ""
    return (", ".join(shown) or "(none)") + more


def toml_key(word: str) -> str:
    """Return a key as a user would write it in a TOML table's name."""
    return word if re.fullmatch(r"[A-Za-z0-9_-]+", word) else f'"{word}"'
