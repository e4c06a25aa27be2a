"""Pages of the manual: files that they name are there; they stay short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (
    *("adding-a-component", "adding-a-protocol", "concepts", "conformance", "importing", "performance"),
    *("realtime-host", "security", "troubleshooting", "validation"),
)
ROOMS = "config|docs|estimation|examples|forecasting|hil|packaging|protocols|rtcore|tests"


def text_of(page: str) -> str:
    return (DOCS / f"{page}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_are_there(page: str) -> None:
    named = set(re.findall(rf"`((?:{ROOMS})/[\w./@-]+)(?:`| -k)", text_of(page)))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_short(page: str) -> None:
    assert len(text_of(page).splitlines()) <= 170
