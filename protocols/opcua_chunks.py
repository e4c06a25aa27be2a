"""Messages of OPC UA's binary transport: cut out of a byte stream, and put together again.

Chunks are those of OPC 10000-6, 6.7.2. Only what is sent in clear: the body of a chunk of an encrypted
channel means nothing here.
"""

from __future__ import annotations

import dataclasses as dc
import struct

HEADER_SIZE = 8
"""Kind, F for the last chunk of a message, and size [bytes]."""
MSG_SIZE = 24
"""The same with channel, token, sequence number and request id [bytes]."""
KINDS = (b"HEL", b"ACK", b"ERR", b"RHE", b"OPN", b"MSG", b"CLO")
MIDDLE, LAST, ABORTED = b"C", b"F", b"A"
MESSAGE_MAX = 16 << 20
"""Longest message that is put together [bytes]; of a longer one the stream is no longer followed."""


class Messages:
    """Cuts a byte stream into messages: all chunks of one, as they came.

    Attributes
    ----------
    is_broken : bool
        An unknown kind or an impossible size came: from ``rest`` on it is no OPC UA.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._at = 0  # up to here there are whole chunks of a message that goes on
        self.is_broken = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that are complete now."""
        self._rest += data
        found = []
        while (size := self._size()) and len(self._rest) - self._at >= size:
            final = self._rest[self._at + 3 : self._at + 4]
            self._at += size
            if final != MIDDLE:
                found.append(bytes(self._rest[: self._at]))
                del self._rest[: self._at]
                self._at = 0
        return found

    def _size(self) -> int:
        """Return the size of the chunk that begins [bytes]; 0 when it cannot be told, or there is none."""
        head = bytes(self._rest[self._at : self._at + HEADER_SIZE])
        size = int.from_bytes(head[4:8], "little") if len(head) == HEADER_SIZE else HEADER_SIZE
        is_known = any(kind.startswith(head[:3]) for kind in KINDS) and head[3:4] in (
            b"",
            MIDDLE,
            LAST,
            ABORTED,
        )
        if not is_known or size < HEADER_SIZE or self._at + size > MESSAGE_MAX:
            self.is_broken = True
            return 0
        return size if len(head) == HEADER_SIZE else 0

    @property
    def rest(self) -> bytes:
        """Bytes that are no complete message."""
        return bytes(self._rest)


@dc.dataclass(frozen=True, slots=True)
class Message:
    """One message of a channel without encryption."""

    chunks: tuple[bytes, ...]
    request_id: int
    body: bytes

    @classmethod
    def of(cls, raw: bytes) -> Message | None:
        """Take a message of ``Messages`` apart; None for one that its sender broke off.

        Raises
        ------
        ValueError
            Its chunks do not belong together.
        """
        chunks, at = [], 0
        while at < len(raw):
            size = int.from_bytes(raw[at + 4 : at + 8], "little")
            chunks.append(raw[at : at + size])
            at += size
        if chunks[-1][3:4] == ABORTED:
            return None
        ids = {c[20:MSG_SIZE] for c in chunks}
        if any(len(c) < MSG_SIZE or c[:3] != b"MSG" for c in chunks) or len(ids) != 1:
            raise ValueError("chunks that are no message")
        body = b"".join(c[MSG_SIZE:] for c in chunks)
        return cls(tuple(chunks), int.from_bytes(ids.pop(), "little"), body)

    def with_body(self, body: bytes, chunk_max: int) -> bytes | None:
        """Return the message with another body in as many chunks, with their sequence numbers.

        Parameters
        ----------
        body : bytes
        chunk_max : int
            Largest chunk that the receiver takes [bytes]; as large as those that came is right in any case.

        Returns
        -------
        bytes or None
            None: that many chunks cannot hold it.
        """
        sizes = [len(c) - MSG_SIZE for c in self.chunks]
        if len(body) != sum(sizes):
            share = -(-len(body) // len(sizes))
            if share > max(chunk_max - MSG_SIZE, *sizes):
                return None
            sizes = [share] * len(sizes)
        passed, at = [], 0
        for chunk, size in zip(self.chunks, sizes, strict=True):
            part = body[at : at + size]
            at += size
            passed.append(chunk[:4] + struct.pack("<I", MSG_SIZE + len(part)) + chunk[8:MSG_SIZE] + part)
        return b"".join(passed)
