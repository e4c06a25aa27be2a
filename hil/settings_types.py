"""Value types that several tables of the user's TOML files share: times, offsets, networks."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from hil.toml_words import shown

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
NAME = "[a-z0-9][a-z0-9_-]{0,39}"
NAME_RULE = "lower-case letters, digits, '-' and '_', at most 40, beginning with a letter or digit"
OFFSET = re.compile(r"(?:(?P<utc>Z)|(?P<sign>[+-])(?P<h>\d\d):(?P<m>\d\d))")


def utc_ns(moment: dt.datetime) -> int:
    """Return an aware moment as integer UTC [ns since 1970]."""
    return (moment - EPOCH) // dt.timedelta(microseconds=1) * 1000


def offset_s(moment: dt.datetime) -> int:
    """Return an aware moment's distance from UTC [s]."""
    offset = moment.utcoffset()
    assert offset is not None, moment
    return round(offset.total_seconds())


def clock(utc_offset_s: int) -> str:
    """Return a distance from UTC as a clock's name.

    >>> clock(-21600)
    '-06:00'
    """
    minutes = abs(utc_offset_s) // 60
    return f"{'-' if utc_offset_s < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def iso(ns: int, utc_offset_s: int = 0) -> str:
    """Return UTC [ns since 1970] as ISO 8601 in a fixed offset.

    >>> iso(0, -21600)
    '1969-12-31T18:00:00-06:00'
    """
    zone = dt.timezone(dt.timedelta(seconds=utc_offset_s))
    return (EPOCH + dt.timedelta(microseconds=ns // 1000)).astimezone(zone).isoformat()


def parse_offset_s(text: str) -> int:
    """Return a UTC offset such as ``-06:00`` or ``Z`` in seconds; ValueError says what is allowed."""
    match = OFFSET.fullmatch(text)
    if match is None or (match["h"] and (int(match["h"]) > 14 or int(match["m"]) > 59)):
        raise ValueError(f"{text!r} is not a UTC offset; write it like '-06:00' or 'Z'")
    if match["utc"]:
        return 0
    seconds = int(match["h"]) * 3600 + int(match["m"]) * 60
    return -seconds if match["sign"] == "-" else seconds


def _moment(value: Any) -> dt.datetime:
    moment = value
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            moment = None
    if not isinstance(moment, dt.datetime):
        raise ValueError(f"{shown(value)} is not a date and time; write it like 2017-07-12T12:00:00-06:00")
    if moment.tzinfo is None:
        raise ValueError(f"{shown(value)} has no UTC offset; write it like 2017-07-12T12:00:00-06:00")
    return moment


def network(value: Any) -> str:
    """Return an address range as it is written; ValueError says what is wrong with it."""
    try:
        return str(ipaddress.ip_network(value if isinstance(value, str) else ""))
    except ValueError:
        hint = _network_hint(value)
    raise ValueError(f"{value!r} is not an address range; write it like 127.0.0.0/8 or ::1/128{hint}")


def _network_hint(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    try:
        return f"; did you mean {str(ipaddress.ip_network(value, strict=False))!r}?"
    except ValueError:
        return ""


def address(value: Any) -> str:
    """Return an IP address as it is written; ValueError says what is wrong with it."""
    if value == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address; write it like 127.0.0.1 or ::1") from None


def _name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(NAME, value):
        raise ValueError(f"{value!r} is not a name; {NAME_RULE}")
    return value


def _offset(value: Any) -> str:
    parse_offset_s(value if isinstance(value, str) else shown(value))
    return str(value)


Name = Annotated[str, BeforeValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME}$"})]
"""Short name that can name a folder."""

Moment = Annotated[
    dt.datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""Date and time with a UTC offset."""

Network = Annotated[str, BeforeValidator(network), WithJsonSchema({"type": "string"})]
"""Address range in CIDR notation."""

Address = Annotated[str, BeforeValidator(address), WithJsonSchema({"type": "string"})]
"""IP address to bind; ``localhost`` means 127.0.0.1."""

Offset = Annotated[str, BeforeValidator(_offset), WithJsonSchema({"type": "string"})]
"""UTC offset like ``-06:00``."""
