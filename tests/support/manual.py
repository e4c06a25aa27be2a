"""Commands that the manual shows to be copied, page by page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "ARCHITECTURE.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")))
PROGRAMS = (
    "gridhil",
    "make",
    "python",
    "python3",
    "pytest",
    "pip",
    "pipx",
    "uv",
    "mbpoll",
    "podman",
    "apt-get",
)
"""A line that begins with one of these is a command, whatever its block is called."""
NOT_RUN = re.compile(r"\bno\s+test\s+(?:runs|of this page runs)\b", re.I)
"""What the manual says of commands that only its reader runs."""
COMMENT = re.compile(r"(?:^|\s+)#(?:\s.*)?$")


@dataclass(frozen=True)
class Block:
    """A block of code of a page."""

    page: str
    language: str
    text: str
    section: str
    """What the page says from the last heading above the block to the next one below it."""

    @property
    def commands(self) -> list[str]:
        """Its lines without comments, continued ones joined."""
        joined = self.text.replace("\\\n", " ")
        bare = (COMMENT.sub("", line).strip() for line in joined.splitlines())
        return [re.sub(r"\s{2,}", " ", line) for line in bare if line]


def blocks(page: str) -> list[Block]:
    """Return every block of code of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    fence = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)
    hidden = fence.sub(lambda m: " " * len(m[0]), text)  # a "#" within a block is no heading
    heads = [0, *(m.start() for m in re.finditer(r"^#+ ", hidden, re.M)), len(text)]
    return [
        Block(
            page,
            m[1],
            m[2],
            text[max(h for h in heads if h <= m.start()) : min(h for h in heads if h > m.start())],
        )
        for m in fence.finditer(text)
    ]


LEFT: dict[str, tuple[str, ...]] = {
    "docs/cyberrange.md": ("--dask",),
    "docs/install.md": (
        "pipx ",
        "uv tool",
        "useradd",
        "/opt/gridhil",
        "/etc/",
        "systemctl",
        "journalctl",
        "podman ",
    ),
    "docs/performance.md": ("make bench",),
    "docs/realtime-host.md": ("apt-get", "cyclictest", "bench loop"),
    "docs/recorder.md": ("/mnt/small",),
    "docs/security.md": ("ssh ",),
}
"""Page -> what marks the commands that no test runs. Their section has to say so, with the reason."""


def is_left(page: str, command: str) -> bool:
    """Tell whether no test runs a command."""
    return any(word in command for word in LEFT.get(page, ()))


def to_run(page: str) -> list[str]:
    """Return the commands of a page's ``sh`` blocks that tests run."""
    shown = [c for b in blocks(page) if b.language == "sh" for c in b.commands]
    return [c for c in shown if not is_left(page, c)]
