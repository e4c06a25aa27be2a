"""A file that keeps the state of a process: what it is of, a checksum, and the state as JSON."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hil import private_files


class StateFile:
    """One file.

    Parameters
    ----------
    path : Path
    key : mapping
        What a state must be of to be taken; as JSON can hold it.
    """

    def __init__(self, path: Path, key: Mapping[str, Any]) -> None:
        self.path, self._key = path, dict(key)

    def read(self, say: Callable[[str], None]) -> Any | None:
        """Return the state, None where there is none of this kind; what is damaged is told."""
        try:
            head, _, body = gzip.decompress(self.path.read_bytes()).partition(b"\n")
            told = json.loads(head)
        except FileNotFoundError:
            return None
        except (OSError, EOFError, ValueError) as error:
            say(f"{self.path}: damaged, not taken: {type(error).__name__}")
            return None
        if not isinstance(told, dict) or told.get("sha256") != hashlib.sha256(body).hexdigest():
            say(f"{self.path}: damaged, not taken: its checksum is another")
            return None
        return json.loads(body) if told.get("key") == self._key else None

    def write(self, state: Mapping[str, Any], say: Callable[[str], None]) -> None:
        """Write the state, whole or not at all; a full disk is told."""
        body = json.dumps(state).encode()
        head = json.dumps({"key": self._key, "sha256": hashlib.sha256(body).hexdigest()}).encode()
        try:
            private_files.replace(self.path, gzip.compress(head + b"\n" + body, 1))
        except OSError as error:
            say(f"{self.path}: cannot be written: {error.strerror}")
