"""Point quality: one byte, below 64 good, 64..127 uncertain, 128 and above bad."""

from __future__ import annotations

import enum


class Quality(enum.IntEnum):
    """Why a value can or cannot be trusted (maps one to one to OPC UA status codes)."""

    GOOD = 0
    GOOD_LOCAL_OVERRIDE = 1
    UNCERTAIN_LAST_USABLE = 64
    UNCERTAIN_SUBSTITUTE = 65
    UNCERTAIN_INITIAL = 66
    UNCERTAIN_SENSOR = 67
    UNCERTAIN_RANGE = 68
    BAD = 128
    BAD_SENSOR = 129
    BAD_NO_COMMUNICATION = 130
    BAD_OUT_OF_SERVICE = 131
    BAD_DEENERGISED = 132
    BAD_WAITING = 133
    BAD_NOT_CONVERGED = 134


UNCERTAIN_FROM = 64
BAD_FROM = 128


def is_bad(code: int) -> bool:
    """Tell whether a quality code means the value must not be used."""
    return code >= BAD_FROM
