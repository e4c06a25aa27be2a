"""Command line of the stand-in: ``python -m examples.standin MODE --wiring FILE ...``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from .curves import CURVES
from .defects import DEFECTS
from .device import Device
from .eventlog import EventLog
from .relay import Settings
from .settings import ALLOWED_RESETS, read_settings
from .wiring import FileError, Node, Register, read_wiring

MODES = {
    "modbus-client": "polls a Modbus server and writes its coils",
    "modbus-server": "is a Modbus server; its peer writes the inputs and reads the outputs",
    "opcua-client": "reads nodes of an OPC UA server and calls its methods",
    "opcua-server": "is an OPC UA server; its peer writes the inputs and reads the outputs",
}
PORTS = {"modbus-client": 5020, "modbus-server": 5502, "opcua-client": 4840, "opcua-server": 4855}
PASSWORD = "STANDIN_PASSWORD"


def _times(text: str) -> list[float]:
    return [float(word) for word in text.split(",") if word.strip()]


def _parser() -> argparse.ArgumentParser:
    lines = [f"  {name:14} {what}" for name, what in (MODES | DEFECTS).items()]
    parser = argparse.ArgumentParser(
        prog="python -m examples.standin",
        description="A 51/79 overcurrent relay in software, to be tested by gridhil.",
        epilog="modes and defects:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("mode", choices=MODES)
    add("--wiring", type=Path, required=True, help="TOML file: where each signal is")
    add("--host", default="127.0.0.1", help="of the peer, or where to listen (127.0.0.1)")
    add("--port", type=int, help="default: " + ", ".join(f"{m} {p}" for m, p in PORTS.items()))
    add("--path", default="/gridhil", help="path of the endpoint of an OPC UA server (/gridhil)")
    add("--user", help=f"OPC UA user; the password is in ${PASSWORD}")
    add("--poll-ms", type=float, default=5.0, help="time from scan to scan (5)")
    add("--defect", choices=DEFECTS)
    add("--log", type=Path, help="file for events, one JSON object a line")
    add("--settings", type=Path, help="TOML file with the settings below and [ground], [fast]")
    add("--pickup-a", type=float, help="pickup, primary A (400)")
    add("--tms", type=float, help="time multiplier setting or time dial (0.1)")
    add("--curve", help=", ".join(CURVES) + " (IEC_SI)")
    add("--reset", help=", ".join(ALLOWED_RESETS) + " (instant)")
    add("--reset-delay-s", type=float, help="delay of the definite reset (0)")
    add("--open-intervals-s", type=_times, help="of the 79, such as 0.5,2,5; none: no reclosing")
    add("--reset-s", type=float, help="reset time of the 79 (15)")
    add("--reset-from-lockout-s", type=float, help="the same after a lockout (5)")
    return parser


SETTINGS = (
    *("pickup_a", "tms", "curve", "reset", "reset_delay_s"),
    *("open_intervals_s", "reset_s", "reset_from_lockout_s"),
)


def _checked(arguments: argparse.Namespace) -> tuple[Settings, dict[str, Register | Node]]:
    """Read both files; what is wrong with either is told together."""
    problems: list[FileError] = []
    settings: Settings | None = None
    wiring: dict[str, Register | Node] = {}
    try:
        settings = read_settings(arguments.settings, {k: getattr(arguments, k) for k in SETTINGS})
    except FileError as error:
        problems.append(error)
    try:
        wiring = read_wiring(arguments.wiring, arguments.mode)
    except FileError as error:
        problems.append(error)
    else:
        needs = {
            "in_a": settings and settings.ground,
            "close": settings and settings.reclosing.open_intervals_s,
        }
        lacks = [
            f"[{arguments.mode}] {n} is needed by the settings"
            for n, v in needs.items()
            if v and n not in wiring
        ]
        if lacks:
            problems.append(FileError(arguments.wiring, lacks))
    if not 0.1 <= arguments.poll_ms <= 60_000:
        problems.append(FileError(Path("--poll-ms"), ["must be from 0.1 to 60000"]))
    if problems or settings is None:
        raise SystemExit("\n".join(map(str, problems)))
    return settings, wiring


def say(text: str) -> None:
    """Tell whoever started the device."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(words: list[str] | None = None) -> int:
    """Run the device until SIGINT or SIGTERM; return the exit code (2: wrong input, 3: no such address)."""
    arguments = _parser().parse_args(words)
    try:
        settings, wiring = _checked(arguments)
        log = EventLog(arguments.log, say)
    except SystemExit as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{arguments.log}: {error.strerror}\n")
        return 2
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    poll_s = arguments.poll_ms / 1e3
    started_ns = time.monotonic_ns()
    device = Device(settings, arguments.defect, log, started_ns, poll_s)
    log.write("start", started_ns, mode=arguments.mode, defect=arguments.defect, settings=asdict(settings))
    try:
        _run(arguments, device, wiring, poll_s, stop)
    except OSError as error:
        sys.stderr.write(f"{arguments.host}:{arguments.port}: {error.strerror or error}\n")
        return 3
    finally:
        log.write("stop")
        log.close()
    return 0


def _run(
    arguments: argparse.Namespace,
    device: Device,
    wiring: dict[str, Register | Node],
    poll_s: float,
    stop: threading.Event,
) -> None:
    port = PORTS[arguments.mode] if arguments.port is None else arguments.port
    arguments.port = port
    registers = {n: p for n, p in wiring.items() if isinstance(p, Register)}
    nodes = {n: p for n, p in wiring.items() if isinstance(p, Node)}
    # Each connection is imported only where it is used: Modbus needs no OPC UA library.
    if arguments.mode == "modbus-client":
        from .modbus_client import ModbusClient

        ModbusClient(device, registers, (arguments.host, port), poll_s, stop).run()
    elif arguments.mode == "modbus-server":
        from .modbus_server import serve

        asyncio.run(serve(device, registers, (arguments.host, port), poll_s, stop, say))
    elif arguments.mode == "opcua-client":
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # the log says it in our words
        from .opcua_client import poll

        url = f"opc.tcp://{arguments.host}:{port}{arguments.path}"
        login = (arguments.user, os.environ.get(PASSWORD, "")) if arguments.user else None
        asyncio.run(poll(device, nodes, url, login, poll_s, stop))
    else:
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)
        from .opcua_server import serve as serve_opcua

        asyncio.run(serve_opcua(device, nodes, (arguments.host, port), poll_s, stop, say))


if __name__ == "__main__":
    sys.exit(main())
