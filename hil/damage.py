"""What is wrong with a file that this program wrote itself, in words: nobody else can mend it by its text."""

from __future__ import annotations


def words_of(error: Exception) -> str:
    """Return words for what reading such a file ended with.

    >>> words_of(KeyError("start"))
    "'start' is missing in it"
    >>> words_of(EOFError("Compressed file ended before ..."))
    'it ends too soon'
    """
    if isinstance(error, KeyError) and error.args:
        return f"{error.args[0]!r} is missing in it"
    if isinstance(error, EOFError):
        return "it ends too soon"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it holds something else than it should"
