"""The standard address space of OPC UA, kept in a file between starts and read node by node when asked for.

asyncua makes its 6,174 nodes by running generated code, a second and a half of every start, of which clients
look at a few dozen. Here every record is pickled by itself, once; a restart maps the file and unpickles what
is asked for. The file is as private as the directory it lies in: who can write there can run code here.
"""

from __future__ import annotations

import marshal
import mmap
import os
import pickle
import platform
import zlib
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from importlib import metadata
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.server.address_space import NodeData

Index = dict[int, tuple[int, int]]
"""Number of a node in namespace 0 -> begin and end of its record."""

MAGIC = b"gridhil standard nodes 1\n"
CHUNK = 1 << 20


class StandardNodes(dict[ua.NodeId, NodeData]):
    """Nodes by id: those asked for or added, and behind them the standard ones still in the file.

    Looking at all of them (iteration, ``len``) reads all of them.
    """

    def __init__(self, block: mmap.mmap, index: Index) -> None:
        super().__init__()
        self._block, self._index = block, index

    def __missing__(self, key: ua.NodeId) -> NodeData:
        span = self._index.pop(key.Identifier, None) if self._is_standard(key) else None
        if span is None:
            raise KeyError(key)
        record: NodeData = pickle.loads(self._block[slice(*span)])
        super().__setitem__(record.nodeid, record)
        return record

    def _is_standard(self, key: object) -> bool:
        return isinstance(key, ua.NodeId) and key.NamespaceIndex == 0 and isinstance(key.Identifier, int)

    def get(self, key: ua.NodeId, default: Any = None) -> Any:
        """Return a node or the default."""
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key: object) -> bool:
        if super().__contains__(key):
            return True
        return self._is_standard(key) and key.Identifier in self._index  # type: ignore[attr-defined]

    def __setitem__(self, key: ua.NodeId, record: NodeData) -> None:
        if self._is_standard(key):
            self._index.pop(key.Identifier, None)
        super().__setitem__(key, record)

    def __delitem__(self, key: ua.NodeId) -> None:
        _ = self[key]
        super().__delitem__(key)

    def _all(self) -> None:
        for number in list(self._index):
            _ = self[ua.NodeId(number, 0)]

    def __iter__(self) -> Iterator[ua.NodeId]:
        self._all()
        return super().__iter__()

    def __len__(self) -> int:
        return super().__len__() + len(self._index)

    def keys(self) -> KeysView[ua.NodeId]:  # type: ignore[override]
        """Return all ids."""
        self._all()
        return super().keys()

    def values(self) -> ValuesView[NodeData]:  # type: ignore[override]
        """Return all nodes."""
        self._all()
        return super().values()

    def items(self) -> ItemsView[ua.NodeId, NodeData]:  # type: ignore[override]
        """Return all ids and nodes."""
        self._all()
        return super().items()


def file_in(directory: Path) -> Path:
    """Return the name of the file for this asyncua and this Python."""
    return directory / f"standard-{metadata.version('asyncua')}-py{platform.python_version()}.nodes"


def write(path: Path, nodes: Mapping[ua.NodeId, NodeData]) -> None:
    """Write nodes of namespace 0 with numbers, whole or not at all; readable by the owner alone."""
    index: Index = {}
    records: list[bytes] = []
    begin = 0
    for key, node in nodes.items():
        assert key.NamespaceIndex == 0 and isinstance(key.Identifier, int), key
        records.append(pickle.dumps(node, pickle.HIGHEST_PROTOCOL))
        index[key.Identifier] = (begin, begin + len(records[-1]))
        begin += len(records[-1])
    head = marshal.dumps(index)
    body = b"".join([len(head).to_bytes(8, "little"), head, *records])
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(MAGIC + zlib.crc32(body).to_bytes(4, "little"))
            file.write(body)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def read(path: Path) -> StandardNodes | None:
    """Return the nodes of a file; None where there is none or it is not whole."""
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return None
            stated = int.from_bytes(file.read(4), "little")
            found = 0
            while chunk := file.read(CHUNK):
                found = zlib.crc32(chunk, found)
            if found != stated:
                return None
            block = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):
        return None
    begin = len(MAGIC) + 4 + 8
    end = begin + int.from_bytes(block[begin - 8 : begin], "little")
    index: Index = marshal.loads(block[begin:end])
    return StandardNodes(block, {number: (end + a, end + b) for number, (a, b) in index.items()})
