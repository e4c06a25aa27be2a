"""Tables of a relay test plan as pydantic sections; one class for each kind of test."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hil.relaytest.quantities import QuantityText
from hil.settings_errors import Section
from hil.settings_types import NAME

Seconds = Annotated[float, Field(gt=0, le=86400)]
Percent = Annotated[float, Field(gt=0, le=100)]
Positive = Annotated[float, Field(gt=0)]
Loop = Literal["abc", "a", "b", "c", "ab", "bc", "ca"]
Event = Annotated[str, Field(min_length=1)]
Loops = Annotated[tuple[Loop, ...], Field(min_length=1, strict=False)]
Multiples = Annotated[tuple[Positive, ...], Field(min_length=1, strict=False)]
Times = Annotated[tuple[Seconds, ...], Field(min_length=1, strict=False)]
Repeats = Annotated[int, Field(ge=1, le=1000)]


class PlanSection(Section):
    """What the plan is and where it is carried out."""

    name: Annotated[str, Field(pattern=f"^{NAME}$")]
    """Name, used for files and in CI."""
    title: str = ""
    """For people."""
    description: str = ""
    """For people; paragraphs."""
    station: str
    """Station that the device is connected to, by name or file."""
    location: str
    """Relay of the station's scheme in whose place the device stands."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Of noise, and of when in the device's poll a fault begins."""
    through_ct: bool = False
    """The sources stand at the primary side: the location's CTs and VTs add errors, noise, saturation."""
    vt_ratio: Annotated[float, Field(gt=1, le=1e5)] | None = None
    """Primary over secondary voltage that the device is set for; voltages "V sec" need one."""


class DeviceSection(Section):
    """Device under test, for the report; and how it speaks."""

    make: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    settings_file: str = ""
    """File of its settings, from the plan's folder on; its SHA-256 is in the report."""
    tester: str = ""
    output: Literal["pulse", "held"] = "pulse"
    """held: it writes its outputs in every cycle, so that repeated commands mean nothing."""
    pickup_signal: bool = True
    """It reports pickup and dropout."""


class OutputsSection(Section):
    """Points that the device's outputs are written to; the bench's own when not given."""

    trip: str | None = None
    close: str | None = None
    pickup: str | None = None
    retrip: str | None = None
    backup: str | None = None


class SettingsSection(Section):
    """Settings of the element under test; the expected times follow from them."""

    pickup: QuantityText
    curve: str
    """One of the named curves."""
    time_dial: Annotated[float, Field(gt=0, le=100)] = 1.0
    """TMS or time dial."""
    delay_s: Annotated[float, Field(ge=0)] = 0.0
    """Added to the curve; the whole time of definite time."""
    m_cap: Annotated[float, Field(gt=1)] = 30.0
    """The curve is flat beyond this multiple."""
    min_operate_s: Annotated[float, Field(ge=0)] = 0.0
    """Never faster than this."""
    reset: Literal["instant", "definite", "dependent"] = "instant"
    reset_delay_s: Annotated[float, Field(ge=0)] = 0.0
    """Of definite reset."""
    dropout_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.95


class ToleranceSection(Section):
    """A named tolerance; each number given replaces the named one's."""

    standard: str | None = None
    class_pct: Percent | None = None
    """IEC 60255-151: the assigned error; else the relative tolerance of time."""
    time_ms: Positive | None = None
    current_pct: Annotated[float, Field(ge=0, lt=100)] | None = None
    level_pct: Percent | None = None
    level_abs: Positive | None = None
    """In the unit of the level: A, V, Hz, degrees."""


class ConnectionSection(Section):
    """How the connection is measured and watched."""

    calibrate_s: Seconds = 5.0
    """Length of each calibration."""
    silent_s: Seconds | None = None
    """Silence of the device that spoils a shot; default 0.5 s, or ten times the time between two answers."""


class TestSection(Section):
    """What all tests have."""

    __test__ = False
    kind: str
    name: Annotated[str, Field(pattern=f"^{NAME}$")]
    title: str = ""
    tolerance: ToleranceSection | None = None
    """Instead of the plan's."""
    prefault_s: Seconds = 0.3
    """Healthy state before each fault."""
    prefault_i: QuantityText | None = None
    """Load current, balanced; none by default."""
    prefault_v: QuantityText | None = None
    """Phase to ground; nominal by default."""
    pause_s: Seconds | None = None
    """Rest after each shot; default enough for the element's reset."""
    i_deg: Annotated[float, Field(ge=-360, le=360)] = -60.0
    """Angle of the fault current to the voltage of its first phase."""
    fault_v: QuantityText | None = None
    """Voltage of the faulted phases during the fault; as before by default."""


class GridSection(Section):
    """Multiples evenly spaced on the logarithmic axis, both ends included."""

    low: Positive
    high: Positive
    n: Annotated[int, Field(ge=2, le=100)]

    @property
    def multiples(self) -> tuple[float, ...]:
        """The multiples, to three significant digits; to more where that would make it pickup itself."""
        ratio = self.high / self.low
        exact = (float(f"{self.low * ratio ** (k / (self.n - 1)):.9g}") for k in range(self.n))
        return tuple(x if float(f"{x:.3g}") == 1.0 else float(f"{x:.3g}") for x in exact)


class TripTime(TestSection):
    """Shots at multiples of pickup: operate time against the curve; below 1 no trip."""

    kind: Literal["trip_time"]
    multiples: Multiples | None = None
    """A list of them."""
    grid: GridSection | None = None
    """Further ones on a grid; one of the two is needed."""
    loops: Loops = ("abc",)
    repeats: Repeats = 1
    hold_s: Seconds = 2.0
    """How long a current below pickup is held."""


class Pickup(TestSection):
    """Search of the pickup level, and of the dropout level below it."""

    kind: Literal["pickup"]
    method: Literal["ramp", "pulse"] = "ramp"
    quantity: Literal["i", "v", "f"] = "i"
    direction: Literal["over", "under"] = "over"
    setting: QuantityText | None = None
    """Of voltages; of currents the plan's pickup."""
    setting_hz: Positive | None = None
    observe: Literal["pickup", "trip"] = "pickup"
    loop: Loop = "abc"
    span_pct: Annotated[float, Field(gt=0, le=90)] = 10.0
    """The search begins and ends so far from the setting."""
    step_pct: Annotated[float, Field(ge=0.01, le=10)] = 0.5
    """Of a ramp; of a pulse search the resolution at its end."""
    dwell_s: Seconds = 0.1
    """At each level; lengthened to twice the slowest answer of the device."""
    dropout_ratio: Annotated[float, Field(gt=0, le=2)] | None = None
    """Expected; default that of [settings] (its inverse for under)."""
    dropout: bool = True


class StateSection(Section):
    """One state of a sequence."""

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]
    i: QuantityText | None = None
    v: QuantityText | None = None
    loop: Loop = "abc"
    i_deg: Annotated[float, Field(ge=-360, le=360)] = -60.0
    f_hz: Positive | None = None
    df_hz_s: float = 0.0
    follow_52a: bool = False
    duration_s: Seconds
    """At most, when there is a trigger."""
    until: Annotated[tuple[Event, ...], Field(strict=False)] = ()
    """Events that end the state."""


class MeasureSection(Section):
    """A time of a sequence, from a state's start or an event to an event (``trip#2``: the second)."""

    name: str
    start: str
    stop: str
    expected_s: Annotated[float, Field(ge=0)] | None = None
    """None: that of the internal relay (the same event with ``shadow_``)."""
    tol_ms: Positive | None = None


class Sequence(TestSection):
    """State sequencer."""

    kind: Literal["sequence"]
    state: Annotated[tuple[StateSection, ...], Field(min_length=1, strict=False)]
    measure: Annotated[tuple[MeasureSection, ...], Field(strict=False)] = ()
    never: Annotated[tuple[Event, ...], Field(strict=False)] = ()
    """Events that must not happen."""
    repeats: Repeats = 1


class Recloser(TestSection):
    """Permanent fault that the device trips, recloses onto, and locks out."""

    kind: Literal["recloser"]
    i: QuantityText
    loop: Loop = "abc"
    dead_times_s: Times
    """From the breaker's opening to the close command, one for each reclosure."""
    dead_tol_ms: Positive = 35.0
    dead_tol_pct: Percent = 0.2
    fast_trips: Annotated[int, Field(ge=0, le=10)] = 0
    """Trips at the beginning that are not on the curve (a fast one): not timed."""
    lockout_s: Seconds = 5.0
    """No further close for so long after the last trip, which must come, timed or not."""
    repeats: Repeats = 1


class BreakerFailure(TestSection):
    """Current that goes on after the trip: retrip and backup trip."""

    kind: Literal["breaker_failure"]
    i: QuantityText
    loop: Loop = "abc"
    retrip_s: Seconds | None = None
    backup_s: Seconds
    repeats: Repeats = 1


class Step(TestSection):
    """Step of voltage, frequency or its rate of change: operate time, or no operation."""

    kind: Literal["step"]
    v: QuantityText | None = None
    f_hz: Positive | None = None
    df_hz_s: float = 0.0
    loop: Loop = "abc"
    expect: Literal["trip", "no_trip"] = "trip"
    expected_s: Seconds | None = None
    """Operate time; None: that of the internal relay."""
    hold_s: Seconds = 5.0
    """How long the state lasts when nothing trips."""
    repeats: Repeats = 1


class ResetTime(TestSection):
    """Two faults with a pause: how much of the first the element still remembers in the second."""

    kind: Literal["reset_time"]
    multiple: Annotated[float, Field(gt=1)] = 5.0
    share: Annotated[float, Field(gt=0, lt=1)] = 0.6
    """Of the operate time, length of the first fault."""
    off_s: Times
    """Pauses; one shot each."""
    loop: Loop = "abc"
    repeats: Repeats = 1


class DirectionSector(TestSection):
    """Search of the edges of the operating sector by the angle of the current."""

    kind: Literal["direction"]
    i: QuantityText
    loop: Loop = "abc"
    from_deg: Annotated[float, Field(ge=-360, le=360)]
    to_deg: Annotated[float, Field(ge=-360, le=360)]
    """Expected edges, angles of I to V, counter-clockwise from one to the other."""
    grid_deg: Annotated[float, Field(ge=1, le=60)] = 30.0
    resolution_deg: Annotated[float, Field(ge=0.1, le=10)] = 1.0
    tol_deg: Positive = 3.0
    observe: Literal["pickup", "trip"] = "pickup"
    dwell_s: Seconds = 0.2


class Sensitivity(TestSection):
    """The trip time with noise on the current, or through a saturated CT."""

    kind: Literal["sensitivity"]
    multiple: Annotated[float, Field(gt=1)] = 5.0
    noise_pct: Annotated[float, Field(ge=0, le=50)] = 0.0
    """Standard deviation of the noise, changed every ``every_s``."""
    ct_ks: Annotated[float, Field(ge=1)] | None = None
    """Saturation factor Vk/(Is (Rct + Rb))."""
    x_over_r: Annotated[float, Field(gt=0, le=100)] = 15.0
    every_s: Annotated[float, Field(ge=0.001, le=1)] = 0.01
    loop: Loop = "abc"
    repeats: Repeats = 3


class NetworkFault(TestSection):
    """A fault of the station's library on the real feeder, end to end."""

    kind: Literal["network_fault"]
    fault: str
    expect: Literal["trip", "no_trip"] = "trip"
    expected_s: Seconds | None = None
    """Operate time; None: that of the internal relay."""
    hold_s: Seconds = 10.0
    """How long the fault lasts when nothing trips; not shorter than the longest allowed time."""
    repeats: Repeats = 1


KINDS: dict[str, type[TestSection]] = {
    "pickup": Pickup,
    "trip_time": TripTime,
    "sequence": Sequence,
    "recloser": Recloser,
    "breaker_failure": BreakerFailure,
    "step": Step,
    "reset_time": ResetTime,
    "direction": DirectionSector,
    "sensitivity": Sensitivity,
    "network_fault": NetworkFault,
}
