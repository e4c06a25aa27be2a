"""Who holds a TCP port: looked up in /proc, for messages about a port that is taken."""

from __future__ import annotations

from pathlib import Path

_LISTEN = "0A"


def port_holder(port: int) -> str:
    """Return ``name (pid 123)`` of the process that listens on a TCP port, "" when not found.

    Processes of other users cannot be looked into and are not found.
    """
    inodes = _listening_inodes(port)
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        try:
            links = {str(link.readlink()) for link in (process / "fd").iterdir()}
            if links & inodes:
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:  # ended meanwhile, or not ours
            continue
    return ""


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            rows = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for columns in map(str.split, rows):
            if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{columns[9]}]")
    return found
