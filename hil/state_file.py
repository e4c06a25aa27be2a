"""A file that keeps the state of a process: what it is of, a checksum, and the state as JSON."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hil import damage, private_files

CHUNKS = 1000
"""Pieces of text that are compressed together."""


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
            head, _, rest = gzip.decompress(self.path.read_bytes()).partition(b"\n")
            key = json.loads(head)
        except FileNotFoundError:
            return None
        except (OSError, EOFError, ValueError, zlib.error) as error:
            say(f"{self.path}: damaged, not taken: {damage.words_of(error)}")
            return None
        body, _, checksum = rest.rpartition(b"\n")
        del rest
        if checksum.decode("ascii", "replace") != hashlib.sha256(body).hexdigest():
            say(f"{self.path}: damaged, not taken: its checksum is another")
            return None
        return json.loads(body) if key == self._key else None

    def write(self, state: Mapping[str, Any], say: Callable[[str], None]) -> None:
        """Write the state, whole or not at all; a full disk is told.

        The text is compressed as it is made: a state of many megabytes is never there twice.
        """
        digest, out = hashlib.sha256(), io.BytesIO()
        with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as file:
            file.write(json.dumps(self._key).encode() + b"\n")
            chunks = json.JSONEncoder().iterencode(state)
            while text := "".join(itertools.islice(chunks, CHUNKS)):
                digest.update(text.encode())
                file.write(text.encode())
            file.write(b"\n" + digest.hexdigest().encode())
        try:
            private_files.replace(self.path, out.getvalue())
        except OSError as error:
            say(f"{self.path}: cannot be written: {error.strerror}")
