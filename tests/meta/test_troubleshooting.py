"""docs/troubleshooting.md: each message that it quotes is still one of the program's."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
ROOMS = ("rtcore", "protocols", "estimation", "forecasting", "hil")
NO_MESSAGES = {"NOT_CONVERGED", "NAME", "gridhil points"}
LEAST = 40


def quoted() -> list[str]:
    """Return what stands between backticks in the first column of the tables (exceptions have none)."""
    rows = [r for r in PAGE.read_text(encoding="utf-8").splitlines() if r.startswith("| ")]
    cells = [row.split(" | ")[0] for row in rows]
    return [text for cell in cells for text in re.findall(r"`([^`]+)`", cell) if text not in NO_MESSAGES]


@cache
def said() -> str:
    """Return all texts of the program and its OPC UA status codes, docstrings left out."""
    found = []
    for path in (p for room in ROOMS for p in (ROOT / room).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documents = {
            ast.get_docstring(n, clean=False) for n in ast.walk(tree) if isinstance(n, WITH_DOCUMENT)
        }
        texts = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
        found += [t for t in texts if t not in documents]
        found += [n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr.startswith("Bad")]
    return "\n".join(found)


WITH_DOCUMENT = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@pytest.mark.parametrize("message", quoted())
def test_a_quoted_message_is_one_of_the_programs(message: str) -> None:
    parts = [part.strip() for part in message.split("...")]
    fixed = [part for part in parts if len(part) >= len("disk low")] or [max(parts, key=len)]
    missing = [part for part in fixed if part not in said() and not by_words(part)]
    assert missing == []


def by_words(text: str) -> bool:
    """Tell whether a text is put together by the program from two of its own, as ``disk low`` is."""
    head, _, tail = text.partition(" ")
    return text.startswith("disk ") and f"\n{head} \n" in said() and f"\n{tail}\n" in said()


def test_the_page_has_messages_of_every_group() -> None:
    text = PAGE.read_text(encoding="utf-8")
    groups = re.findall(r"(?m)^## (.*)$", text)
    assert {"Start", "Loop and real time", "Modbus", "OPC UA", "Console and web", "Records"} <= set(groups)
    assert len(quoted()) >= LEAST
