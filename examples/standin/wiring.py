"""The wiring file: which signal of the device is where at its peer, or where in its own server.

Every mistake in a file is found before anything is connected, and all are told at once.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .registers import FORMATS, ORDERS, n_registers

INPUTS = ("ia_a", "ib_a", "ic_a", "in_a", "is_closed", "token_out")
OUTPUTS = ("trip", "close", "pickup", "lockout", "token_in")
NEEDED = ("ia_a", "ib_a", "ic_a", "is_closed", "trip")

TABLES = {"co": "coils", "di": "discrete inputs", "ir": "input registers", "hr": "holding registers"}
MODBUS_KEYS = ("unit", "table", "address", "format", "order", "scale", "level")
OPCUA_KEYS = ("node", "method", "object", "type", "level")
NODE_ID = re.compile(r"(ns=\d+;)?(i=\d+|s=.+)")
OPCUA_TYPES = ("Boolean", "UInt16", "UInt32", "Float", "Double")


class FileError(Exception):
    """A file cannot be used; ``problems`` says why, all of it."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        super().__init__("\n".join(f"{path}: {p}" for p in problems))
        self.problems = problems


@dataclass(frozen=True)
class Register:
    """Place of a signal in a Modbus map; ``address`` is as on the wire, from 0.

    A client's trip or close with ``level`` follows the contact; without, its rising edge writes 1, once.
    """

    unit: int
    table: str
    address: int
    kind: str = "uint16"
    order: str = "ABCD"
    scale: float = 1.0
    level: bool = False

    @property
    def is_bit(self) -> bool:
        """Whether it lies in a table of bits."""
        return self.table in ("co", "di")

    @property
    def length(self) -> int:
        """Registers or bits that it takes."""
        return 1 if self.is_bit else n_registers(self.kind)


@dataclass(frozen=True)
class Node:
    """Place of a signal in OPC UA: a variable ``node``, or a ``method`` of an ``object`` that commands.

    ``level`` is as with a register.
    """

    node: str = ""
    method: str = ""
    object: str = ""
    type: str = "Double"
    level: bool = False


def hint(word: str, allowed: tuple[str, ...]) -> str:
    """Return what to say after an unknown word."""
    near = difflib.get_close_matches(word, allowed, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; allowed: {', '.join(allowed)}"


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(path, [error.strerror or str(error)]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(path, [f"is not TOML: {error}"]) from None


def _is_whole(value: object, top: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= top


def _modbus_problems(row: dict[str, Any], is_written: bool) -> list[str]:
    found = []
    if not _is_whole(row.get("unit", 1), 255):
        found.append("unit must be a whole number from 0 to 255")
    table = row.get("table")
    if table not in TABLES:
        found.append(f"table must be one of {', '.join(TABLES)}")
    elif is_written and table in ("di", "ir"):
        found.append(f"{TABLES[table]} cannot be written; allowed: co, hr")
    if not _is_whole(row.get("address"), 65535):
        found.append("address must be a whole number from 0 to 65535")
    if "format" in row and row["format"] not in FORMATS:
        found.append(f"format {row['format']!r} is unknown{hint(str(row['format']), tuple(FORMATS))}")
    if row.get("order", "ABCD") not in ORDERS:
        found.append(f"order must be one of {', '.join(ORDERS)}")
    scale = row.get("scale", 1.0)
    if isinstance(scale, bool) or not isinstance(scale, (int, float)) or scale == 0:
        found.append("scale must be a number other than 0")
    return found


def _opcua_problems(row: dict[str, Any], is_command: bool) -> list[str]:
    texts = {key: value for key, value in row.items() if key != "level"}
    found = [f"{key} must be text" for key, value in texts.items() if not isinstance(value, str)]
    found += [
        f"{key} must be a node id, such as ns=2;s=FDR_B.HEAD.IA"
        for key in ("node", "method", "object")
        if isinstance(row.get(key), str) and not NODE_ID.fullmatch(row[key])
    ]
    if "method" in row:
        if "object" not in row or "node" in row or not is_command:
            found.append("a method is for trip and close at a client, goes with object, in place of node")
    elif "node" not in row:
        found.append("needs node, or method and object")
    if row.get("type", "Double") not in OPCUA_TYPES:
        found.append(f"type must be one of {', '.join(OPCUA_TYPES)}")
    return found


def _overlaps(made: dict[str, Register | Node]) -> list[str]:
    """Return the signals of a server that lie on another's place."""
    taken: dict[object, str] = {}
    found: dict[str, None] = {}
    for name, place in made.items():
        cells: list[object] = [place.node] if isinstance(place, Node) else []
        if isinstance(place, Register):
            cells = [(place.unit, place.table, place.address + k) for k in range(place.length)]
        found |= {f"{name} lies on {taken[c]}": None for c in cells if c in taken}
        taken |= dict.fromkeys(cells, name)
    return list(found)


def read_wiring(path: Path, mode: str) -> dict[str, Register | Node]:
    """Read the section of a wiring file that a mode uses.

    Parameters
    ----------
    path : Path
        The file.
    mode : str
        ``modbus-client``, ``modbus-server``, ``opcua-client`` or ``opcua-server``. A client's outputs and a
        server's inputs must be writable.

    Returns
    -------
    dict
        Place by signal.

    Raises
    ------
    FileError
        With every problem of the section.
    """
    protocol, _, side = mode.partition("-")
    written = OUTPUTS if side == "client" else INPUTS
    section = read_toml(path).get(mode)
    if not isinstance(section, dict):
        raise FileError(path, [f"has no section [{mode}]"])
    keys = MODBUS_KEYS if protocol == "modbus" else OPCUA_KEYS
    problems = [f"[{mode}] {name} is missing" for name in NEEDED if name not in section]
    made: dict[str, Register | Node] = {}
    for name, row in section.items():
        at = f"[{mode}] {name}"
        if name not in INPUTS + OUTPUTS:
            problems.append(f"{at}: no such signal{hint(name, INPUTS + OUTPUTS)}")
            continue
        if not isinstance(row, dict):
            problems.append(f"{at}: must be a table such as {{ {keys[0]} = ... }}")
            continue
        level = row.get("level", False)
        wrong = [] if isinstance(level, bool) else ["level must be true or false"]
        if level is True and (side == "server" or name not in ("trip", "close") or "method" in row):
            wrong.append("level is for trip and close that a client writes to a register or variable")
        wrong += [f"unknown key {key!r}{hint(key, keys)}" for key in row if key not in keys]
        known = {k: v for k, v in row.items() if k in keys}
        if protocol == "modbus":
            wrong += _modbus_problems(known, name in written)
        else:
            wrong += _opcua_problems(known, side == "client" and name in ("trip", "close"))
        problems += [f"{at}: {w}" for w in wrong]
        if not wrong:
            made[name] = _register(row) if protocol == "modbus" else Node(**row)
    if ("token_in" in section) != ("token_out" in section):
        problems.append(f"[{mode}] token_in and token_out go together")
    if side == "server":
        problems += [f"[{mode}] {p}" for p in _overlaps(made)]
    if problems:
        raise FileError(path, problems)
    return made


def _register(row: dict[str, Any]) -> Register:
    named = {"kind" if key == "format" else key: value for key, value in row.items()}
    return Register(**({"unit": 1} | named))
