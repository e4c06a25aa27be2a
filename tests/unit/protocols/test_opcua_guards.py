"""The decoder guards, and the test of asyncua's names that the server makes of itself."""

from __future__ import annotations

import importlib.metadata
import time
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.server import monitored_item_service, uaprocessor
from asyncua.ua import ua_binary

from protocols import opcua_guards

opcua_guards.harden_decoder()


def test_the_installed_asyncua_is_the_one_the_guards_were_written_for() -> None:
    opcua_guards.self_test()


def test_another_release_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.2.0")
    with pytest.raises(RuntimeError, match=r"asyncua 2\.2\.0"):
        opcua_guards.self_test()


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (uaprocessor.UaProcessor, "_process_message"),
        (monitored_item_service.MonitoredItemService, "_delete_monitored_items"),
    ],
)
def test_a_name_that_has_moved_fails_loudly(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    monkeypatch.delattr(owner, name)
    with pytest.raises(RuntimeError, match=name):
        opcua_guards.self_test()


def test_a_guard_that_is_not_in_force_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Buffer, "read", lambda self, size: b"")
    with pytest.raises(RuntimeError, match="guard"):
        opcua_guards.self_test()


@pytest.mark.parametrize("size", [-1, -(2**31)])
def test_the_cursor_never_runs_backwards(size: int) -> None:
    for method in (Buffer.read, Buffer.skip):
        buffer = Buffer(b"0123456789")
        buffer.read(4)
        with pytest.raises(ua.UaError, match="negative"):
            method(buffer, size)
        assert len(buffer) == 6


@pytest.mark.parametrize("dims", [[1000, 1000], [0, 5], [-1, -2], [2, 2]])
def test_dimensions_must_match_the_elements(dims: list[int]) -> None:
    started = time.perf_counter()
    with pytest.raises(ua.UaError):
        ua_binary._reshape([1.0, 2.0], list(dims)) if dims != [0, 5] else ua_binary._reshape([1.0], [0, 5])
    assert time.perf_counter() - started < 0.05  # stock: up to 2.5 s


@pytest.mark.parametrize(
    "variant",
    [
        ua.Variant(1.5, ua.VariantType.Double),
        ua.Variant([1, 2, 3], ua.VariantType.Int32),
        ua.Variant([], ua.VariantType.Int32, is_array=True),
        ua.Variant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], ua.VariantType.Double),
        ua.Variant(["a", None], ua.VariantType.String),
    ],
)
def test_honest_values_pass_unchanged(variant: ua.Variant) -> None:
    data = ua_binary.variant_to_binary(variant)
    assert ua_binary.variant_from_binary(Buffer(data)).Value == variant.Value
