"""The tables of a station file, their keys, defaults and ranges.

Each key's text below is its description in the JSON Schema that editors use. What several
tables must agree on is in ``settings_rules``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field, WrapValidator

from hil.profile_settings import ProfileSettings
from hil.settings_errors import Section
from hil.settings_types import Address, Moment, Name, Network
from hil.weather import WeatherSettings

STEP_US_MIN, STEP_US_MAX = 250, 100_000


def _or_word(allowed: str) -> WrapValidator:
    """Word a value that may be a number or one word; both branches fail as one problem."""

    def check(value: Any, inner: Callable[[Any], Any]) -> Any:
        try:
            return inner(value)
        except pydantic.ValidationError:
            raise ValueError(f"{value!r} is not allowed; {allowed}") from None

    return WrapValidator(check)


StepUs = Annotated[
    Literal["auto"] | Annotated[int, Field(ge=STEP_US_MIN, le=STEP_US_MAX)],
    _or_word(f'"auto", or a whole number of microseconds from {STEP_US_MIN} to {STEP_US_MAX}'),
]
Cpu = Annotated[
    Literal["auto"] | Annotated[int, Field(ge=0, le=4095)],
    _or_word('"auto", or the number of a processor (0, 1, ..)'),
]
Speed = Annotated[
    Literal["max"] | Annotated[float, Field(gt=0, le=100_000)],
    _or_word('"max", or a number greater than 0 and at most 100000 (1 is real time)'),
]
PlantTables = dict[str, dict[str, dict[str, Any]]]
"""Kind -> instance or pattern -> parameter -> value; what may stand there is ``plant_settings``' matter."""

UnitId = Annotated[int, Field(ge=1, le=247)]
Port = Annotated[int, Field(ge=0, le=65535)]


class StationSection(Section):
    """What the station is made of."""

    name: Name
    """Short name: names the run and its records."""
    title: str = ""
    """One line for people."""
    network: str
    """Name of a folder in config/networks, or a path."""
    points: str
    """Name of a folder in config/points, or a path."""
    protection: str | None = None
    """Name of a file in config/protection, or a path. Default: no relays."""
    faults: str | None = None
    """Name of a file in config/faults, or a path: named faults. Default: none."""


class TimeSection(Section):
    """Simulated time."""

    start: Moment
    """Simulated time at the first step, with UTC offset."""
    speed: Speed = 1.0
    """Simulated seconds per second; 1 is real time, "max" as fast as the host can."""


class LoopSection(Section):
    """The real-time loop."""

    step_us: StepUs = "auto"
    """Step length [us]. "auto": 1000 where SCHED_FIFO is granted, else 10000."""
    scheduler: Literal["auto", "fifo", "other"] = "auto"
    """"fifo" insists on SCHED_FIFO: without it the run does not start (exit code 3)."""
    cpu: Cpu = "auto"
    """Processor that the loop is bound to."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Seed of every random number of the run."""
    strict: bool = False
    """Stop at the first missed deadline."""


class LoadSection(Section):
    """Load of the whole station."""

    scale: Annotated[float, Field(ge=0, le=5)] = 1.0
    """Multiplier on every load at the start; operators may change it."""
    ripple_pct: Annotated[float, Field(ge=0, le=50)] = 0.0
    """Standard deviation of each load's random variation within the hour [% of its power]."""
    ripple_tau_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Correlation time of that variation [s]."""


class SourceSection(Section):
    """The grid behind the substation."""

    v_pu: Annotated[float, Field(ge=0.8, le=1.2)] | None = None
    """Source voltage at the start [pu of its rating]; default: the network's own."""


class ModbusUnit(Section):
    """One unit id."""

    unit: UnitId
    """Unit id on the wire."""
    name: str = ""
    """Name of the device."""
    order: Literal["ABCD", "CDAB", "BADC", "DCBA"] = "ABCD"
    """Order of the bytes of 32-bit values; A is the most significant."""
    read_only: bool = False
    """Refuse every write."""
    mirror_of: UnitId | None = None
    """Serve the registers of another unit, read-only."""


class ModbusWriter(Section):
    """Which network may write which units; Modbus itself knows no users."""

    network: Network
    """Address range of the masters (CIDR)."""
    units: Annotated[tuple[UnitId, ...], Field(min_length=1, strict=False)]
    """Units they may write."""


class ModbusIdentity(Section):
    """Device identification (function 43/14)."""

    vendor: str = "gridhil"
    product: str = "gridhil"
    version: str = ""
    """Default: the version of this program."""
    url: str = ""
    product_name: str = ""
    model: str = ""
    application: str = ""
    """Default: the title of the station."""


class ModbusSection(Section):
    """Modbus TCP server."""

    enabled: bool = True
    """Serve Modbus TCP."""
    host: Address = "127.0.0.1"
    """Address to listen on."""
    port: Port = 5020
    """TCP port; 0 takes any free one."""
    max_connections: Annotated[int, Field(ge=1, le=4096)] = 128
    """Most connections at once."""
    per_address: Annotated[int, Field(ge=0, le=4096)] = 32
    """Most connections of one address; 0 is no limit. Never applied to loopback."""
    idle_s: Annotated[float, Field(ge=0.1, le=86_400)] = 60.0
    """A connection without a request for so long is closed [s]."""
    partial_s: Annotated[float, Field(ge=0.1, le=60)] = 2.0
    """A connection with half a frame for so long is closed [s]."""
    queue: Annotated[int, Field(ge=1, le=1024)] = 16
    """Requests of one connection that may wait for their answer."""
    unknown_unit: Literal["0A", "0B", "silence"] = "0B"
    """What an unknown unit id gets: exception 0A, exception 0B, or nothing."""
    default_unit: UnitId | None = None
    """Unit that answers for unit ids 0 and 255; default: none."""
    units: Annotated[tuple[ModbusUnit, ...], Field(strict=False)] = ()
    """Unit ids that answer."""
    writers: Annotated[tuple[ModbusWriter, ...], Field(strict=False)] | None = None
    """Who may write which units. Default: this machine, every unit that is not read-only."""
    loopback_role: Literal["observer", "operator", "engineer", "instructor"] = "operator"
    """Role of masters on this machine; others have that of the user whose networks hold their address."""
    identity: ModbusIdentity = ModbusIdentity()


class OpcuaSection(Section):
    """OPC UA server."""

    enabled: bool = True
    """Serve OPC UA."""
    host: Address = "127.0.0.1"
    """Address to listen on."""
    port: Port = 4840
    """TCP port; 0 takes any free one."""
    path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./-]*$")] = "/gridhil"
    """Path of the endpoint URL."""
    publish_ms: Annotated[float, Field(ge=10, le=60_000)] = 100.0
    """How often changed values are pushed [ms]."""
    max_connections: Annotated[int, Field(ge=1, le=1000)] = 64
    """Most connections at once."""
    none_policy_on_loopback: bool = True
    """Offer sessions without encryption to clients on this machine."""


class DeviceSection(Section):
    """Device under test that the station is a client of."""

    wiring: str | None = None
    """Name of a file in config/wiring, or a path. Default: no device."""
    host: Address = "127.0.0.1"
    """Address of a device that speaks Modbus TCP."""
    port: Annotated[int, Field(ge=1, le=65535)] = 502
    """Its TCP port."""
    url: Annotated[str, Field(pattern=r"^opc\.tcp://[^\s/]+(/\S*)?$")] | None = None
    """Endpoint of a device that speaks OPC UA, opc.tcp://[user:password@]host:port[/path]."""
    role: Literal["observer", "operator", "engineer", "instructor"] = "operator"
    """What its outputs may command."""


class TriggerSection(Section):
    """A point that triggers a disturbance record when it goes beyond a limit; it is looked at every 0.1 s."""

    tag: str
    """Tag of the point."""
    above: float | None = None
    """Triggers above this value [unit of the point]."""
    below: float | None = None
    """Triggers below this value [unit of the point]."""


class DisturbanceSection(Section):
    """Disturbance records (COMTRADE): what relays saw around trips, breaker commands and limits."""

    form: Literal["ASCII", "BINARY", "BINARY32", "FLOAT32"] = "BINARY32"
    """Form of the samples."""
    single: bool = False
    """One .cff file instead of .cfg, .dat and .hdr."""
    pre_s: Annotated[float, Field(ge=0, le=3)] = 0.5
    """Length before the trigger [s]."""
    post_s: Annotated[float, Field(gt=0, le=3)] = 1.0
    """Length after it [s]."""
    keep: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Records of one run that are kept, the newest ones."""
    triggers: list[TriggerSection] = []
    """Limits that trigger as well."""


class RecorderSection(Section):
    """Records of runs: events, commands, trends, and what a replay needs."""

    enabled: bool = True
    """Keep records."""
    runs: Annotated[int, Field(ge=1, le=100_000)] = 50
    """Runs that are kept, the newest ones."""
    runs_mb: Annotated[int, Field(ge=1, le=100_000_000)] = 20_000
    """Most that all runs may take; the oldest go first, never the one in progress [MB]."""
    trend_ms: Annotated[float, Field(ge=100, le=60_000)] = 100.0
    """Between two looks at the points for trends [ms]."""
    trends_mb: Annotated[int, Field(ge=1, le=100_000_000)] = 2000
    """Most that the trends of all runs may take; the oldest go first [MB]."""
    rotate_min: Annotated[float, Field(ge=1, le=1440)] = 60.0
    """Time that one trend file covers [min]."""
    rotate_mb: Annotated[int, Field(ge=1, le=4000)] = 64
    """Size at which a trend file is begun sooner [MB]."""
    min_free_mb: Annotated[int, Field(ge=0, le=100_000_000)] = 500
    """With less room than this on the disk trends are removed, the oldest first [MB]."""
    disturbances: DisturbanceSection = DisturbanceSection()
    """Disturbance records."""


class EstimationSection(Section):
    """State estimator: a process of its own that reads telemetry as a control centre would."""

    enabled: bool = True
    """False: as without this table."""
    telemetry: str = "realistic"
    """Name of a file in config/telemetry, or a path: which points are telemetered, how often."""
    rate_hz: Annotated[float, Field(gt=0, le=20)] = 2.0
    """Scans a second, of running time [Hz]."""
    reader: Literal["modbus", "opcua", "board"] = "modbus"
    """How it reads: from the station's Modbus or OPC UA server, or from memory."""
    pseudo: Literal["history", "forecast"] = "history"
    """What the power of loads without telemetry is taken from: the past weeks of the load profile; "forecast"
    brings what these say to the level that the station's forecasts give for their feeder."""
    detectors: str | None = None
    """File with the thresholds of the detectors. Default: those of the telemetry set."""
    modbus_port: Port | None = None
    """Port that it reads Modbus at, on this machine, where something stands between it and the server."""
    opcua_port: Port | None = None
    """Likewise for OPC UA."""


class ForecastLoad(Section):
    """A load that is forecast."""

    measured: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    """Tags whose sum is the load, or patterns like "DER.PV_1*.W"; one that begins with "-" is taken off."""
    column: str | None = None
    """Column of the history; default: none, it learns from what it measures."""
    model: str | None = None
    """LSTM that is put into service at the start: name of a file in config/models, or a path (.tflite)."""


class ForecastSun(Section):
    """Photovoltaic sites that are forecast: clear sky times a learned ratio."""

    sites: str = "DER.PV_*.W_AVAIL"
    """Pattern of the tags of what the sun gives, one of each site."""
    total: str | None = "DER.FLEET.P_AVAIL"
    """Tag of their sum."""


class ForecastSection(Section):
    """Forecasts, in a process of its own, scored live."""

    enabled: bool = True
    """False: as without this table."""
    loads: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")], ForecastLoad], Field()]
    """Loads by name."""
    sun: ForecastSun | None = None
    """Photovoltaic sites; needs [weather]."""
    history: str | None = None
    """CSV of the loads before the run: name of a file in config/histories, or a path."""
    history_rows: Literal["means", "instants"] = "means"
    """What a row of it is: the mean of its step, or the value at its begin."""
    step_min: Literal[30, 60] = 60
    """Length of a step [min]; forecasts reach a day ahead."""
    choice: Literal["hybrid", "best"] = "hybrid"
    """What is issued: the hybrid, or whatever has the best live score."""
    scored: Annotated[tuple[Annotated[int, Field(ge=1, le=48)], ...], Field(min_length=1, strict=False)] = (
        1,
        6,
        24,
    )
    """Steps ahead that are scored."""


class DispatchSection(Section):
    """Dispatcher: plans batteries, taps and curtailment from the forecasts, in a process of its own.

    It commands while the mode of the station's dispatch is 2.
    """

    enabled: bool = True
    """False: as without this table."""
    decide_s: Annotated[float, Field(ge=10, le=3600)] = 60.0
    """Time between two looks at the plant, of simulated time [s]."""
    settings: dict[str, float] = {}
    """Prices and limits; see docs/dispatch.md."""


class AttackSection(Section):
    """False data between the plant and its servers, while the station is armed."""

    file: str | None = None
    """Name of a file in config/attacks, or a path: its attacks at place "board". Default: none."""


class PlaybackSection(Section):
    """A COMTRADE record for the test set to play, and the channel of each quantity; one left out is 0."""

    file: str
    """Its .cfg or .cff, beside the station file or with its path."""
    ia: str | None = None
    """Channel of the current of phase a."""
    ib: str | None = None
    """Of phase b."""
    ic: str | None = None
    """Of phase c."""
    va: str | None = None
    """Channel of the voltage of phase a to ground."""
    vb: str | None = None
    """Of phase b."""
    vc: str | None = None
    """Of phase c."""


class InjectionSection(Section):
    """Test set: ideal sources at a relay."""

    play: list[PlaybackSection] = []
    """Records that it can play, number 1 first."""


class SecuritySection(Section):
    """Who can reach the station at all."""

    expose: bool = False
    """Allow servers to listen beyond this machine."""


class PlantShape(Section):
    """Tables within tables, to tell a parameter that stands where an instance should."""

    plant: PlantTables


class StationFile(Section):
    """A station: what is emulated, from when, and how masters reach it."""

    station: StationSection
    time: TimeSection
    loop: LoopSection = LoopSection()
    load: LoadSection = LoadSection()
    profile: ProfileSettings | None = None
    """Load over time. Without this table every load keeps the power that the network states."""
    source: SourceSection = SourceSection()
    weather: WeatherSettings | None = None
    """Sun and temperature. Without this table it is night, at the 30 degC of transformer ratings."""
    plant: PlantTables = {}
    """Parameters of the plant, [plant.<kind>.<instance>]; a pattern like "*" stands for several."""
    modbus: ModbusSection = ModbusSection()
    opcua: OpcuaSection = OpcuaSection()
    device: DeviceSection = DeviceSection()
    recorder: RecorderSection = RecorderSection()
    estimation: EstimationSection | None = None
    """State estimator. Without this table there is none, and none of its points."""
    forecast: ForecastSection | None = None
    """Forecasts. Without this table there are none, and none of their points."""
    dispatch: DispatchSection | None = None
    """Dispatcher. Without this table there is none, and none of its points."""
    injection: InjectionSection = InjectionSection()
    attack: AttackSection = AttackSection()
    security: SecuritySection = SecuritySection()
