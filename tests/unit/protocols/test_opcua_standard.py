"""The standard address space from a file: the same nodes, read one by one, never a damaged one."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.server.address_space import NodeData
from asyncua.server.internal_server import InternalServer
from asyncua.server.standard_address_space.standard_address_space import fill_address_space

from protocols import opcua_standard
from protocols.opcua_standard import StandardNodes

SERVER = ua.NodeId(ua.ObjectIds.Server, 0)
OURS = ua.NodeId("ours", 2)

Nodes = dict[ua.NodeId, NodeData]


@pytest.fixture(scope="module", autouse=True)
def no_collecting() -> Iterator[None]:
    """As the server does: hundreds of thousands of objects are made, and collecting among them is slow."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="module")
def made(no_collecting: None) -> Nodes:
    server = InternalServer()
    fill_address_space(server.node_mgt_service)
    nodes: Nodes = server.aspace._nodes
    return nodes


@pytest.fixture(scope="module")
def file(made: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("standard") / "nodes"
    opcua_standard.write(path, made)
    return path


@pytest.fixture
def kept(file: Path) -> StandardNodes:
    nodes = opcua_standard.read(file)
    assert nodes is not None
    return nodes


def shown(node: NodeData) -> tuple[object, object]:
    return node.references, {a: v.value for a, v in node.attributes.items()}


def test_nodes_come_back_as_they_were_made(made: Nodes, kept: StandardNodes) -> None:
    assert len(made) > 6000
    assert len(kept) == len(made)
    for key in list(made)[::7]:  # comparing all of them takes seconds and finds nothing else
        assert shown(kept[key]) == shown(made[key])
    assert kept.keys() == made.keys()
    assert all(node.nodeid == key for key, node in kept.items())
    assert sum(1 for _ in kept) == len(kept.values()) == len(made)


def test_a_node_is_read_once_and_then_keeps_what_is_done_to_it(kept: StandardNodes) -> None:
    assert SERVER in kept
    node = kept[SERVER]
    node.references.clear()
    assert kept.get(SERVER) is node


def test_what_is_not_there_is_missing(kept: StandardNodes) -> None:
    for key in (OURS, ua.NodeId(1_999_999_999, 0), ua.NodeId(SERVER.Identifier, 2), ua.NodeId("Server", 0)):
        assert key not in kept
        assert kept.get(key) is None
        with pytest.raises(KeyError):
            kept[key]


def test_nodes_can_be_added_replaced_and_deleted(kept: StandardNodes) -> None:
    n = len(kept)
    kept[OURS] = NodeData(OURS)
    assert len(kept) == n + 1
    other = NodeData(SERVER)
    kept[SERVER] = other
    assert kept[SERVER] is other
    del kept[OURS]
    del kept[SERVER]
    assert SERVER not in kept
    assert len(kept) == n - 1


def test_the_file_is_the_owners_alone_and_named_by_its_versions(file: Path, tmp_path: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    assert "2.1.0" in opcua_standard.file_in(tmp_path).name
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("where", [0.0, 0.1, 0.5, 1.0])
def test_a_damaged_file_is_none(file: Path, tmp_path: Path, where: float) -> None:
    body = bytearray(file.read_bytes())
    body[round(where * (len(body) - 1))] ^= 0xFF
    damaged = tmp_path / "damaged"
    damaged.write_bytes(body)
    assert opcua_standard.read(damaged) is None


@pytest.mark.parametrize("length", [0, 5, 30, 100_000])
def test_a_cut_file_is_none(file: Path, tmp_path: Path, length: int) -> None:
    cut = tmp_path / "cut"
    cut.write_bytes(file.read_bytes()[:length])
    assert opcua_standard.read(cut) is None


def test_no_file_is_none(tmp_path: Path) -> None:
    assert opcua_standard.read(tmp_path / "none") is None
