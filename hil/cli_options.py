"""What commands have in common: exit codes, options, forms of a result."""

from __future__ import annotations

import math
import sys
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

EXIT_FAILED, EXIT_INPUT, EXIT_HOST = 1, 2, 3
DEFAULT_STATION = "iowa240"

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StationName = Annotated[str, typer.Argument(metavar="STATION", help="Station, by name or file.")]
NetworkOrStation = Annotated[
    str, typer.Argument(metavar="NETWORK|STATION", help="Network or station, by name or path.")
]


class MapFormat(StrEnum):
    """Forms of the point map."""

    CSV = "csv"
    MD = "md"
    JSON = "json"
    NODESET = "nodeset"


class NodeFormat(StrEnum):
    """Forms of a result in rows."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


Form = TypeVar("Form", MapFormat, NodeFormat)


def one_form(form: Form | None, json_: bool, as_json_form: Form) -> Form | None:
    """Return the form asked for by --format or --json; both are refused unless they agree."""
    if json_ and form not in (None, as_json_form):
        raise typer.BadParameter(f"--json contradicts --format {form}; keep one of them")
    return as_json_form if json_ else form


def finite(value: float | None) -> float | None:
    """Refuse what is no number or has no end, where an option's limits let it pass."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


def compiled() -> None:
    """Point numba at its cache before anything imports it."""
    from hil import kernel_cache

    if "numba" not in sys.modules:
        kernel_cache.prepare()


def moment_ns(text: str | None, utc_offset_s: int, option: str = "--at") -> int | None:
    """Return UTC [ns] of a command-line moment; one without an offset is at ``utc_offset_s``."""
    if text is None:
        return None
    import datetime as dt

    from hil.settings_types import utc_ns

    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        what = f"{text!r} is not a date and time like 2017-07-12T12:00:00-06:00"
        raise typer.BadParameter(what, param_hint=f"'{option}'") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.timezone(dt.timedelta(seconds=utc_offset_s)))
    return utc_ns(moment)
