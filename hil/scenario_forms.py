"""What the keys of one ``[[assert]]`` mean together, on a given station.

===========  =====================  ==============================================
form         keys that make it      holds when
===========  =====================  ==============================================
at           at                     the value at that time is inside the limits
eventually   within (after)         it is inside at some step of that time
statistic    statistic (from, to)   the figure over the window is inside
order        sequence (from, to)    the status changes happen in this order
always       none of these          it is inside at every step ``from`` .. ``to``
===========  =====================  ==============================================
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping, Sequence

from hil.scenario_model import Change, Check, Form, Order, Target
from hil.scenario_sections import AssertSection, OrderItem
from hil.scenario_times import PREVIOUS, Times, When, seconds
from rtcore.errors import Problem, did_you_mean
from rtcore.points import Kind, Point

FORMS = {"at": Form.AT, "within": Form.EVENTUALLY, "statistic": Form.STATISTIC, "sequence": Form.ORDER}
WINDOW = ("from", "to")
VALUE = ("tag", "plus", "minus", "equals", "tolerance", "min", "max", "quality")
KEYS = {
    Form.AT: ("at", *VALUE),
    Form.ALWAYS: (*WINDOW, *VALUE),
    Form.EVENTUALLY: ("after", "within", *VALUE),
    Form.STATISTIC: ("statistic", *WINDOW, *VALUE),
    Form.ORDER: ("sequence", *WINDOW),
}
"""Keys each form takes beside ``title``."""


class Place:
    """Where problems of one table go."""

    def __init__(self, file: str, place: str, problems: list[Problem]) -> None:
        self._file, self._place, self._problems = file, place, problems
        self.is_clean = True

    def problem(self, key: str, what: str) -> None:
        """Report one problem of this table."""
        self.is_clean = False
        place = f"{self._place}.{key}" if key else self._place
        self._problems.append(Problem(self._file, place, what))


class Reader:
    """Turns assertions into checks on one station and one run."""

    def __init__(self, points: Sequence[Point], times: Times, dt_ns: int) -> None:
        self.points: Mapping[str, Point] = {p.tag: p for p in points}
        self.times, self.dt_ns = times, dt_ns

    def read(self, given: AssertSection, place: Place) -> Check | Order | None:
        """Return what one table asserts, or None with its problems reported."""
        keys = {name.removesuffix("_") for name in given.model_fields_set} - {"title"}
        wanted = [key for key in FORMS if key in keys]
        form = FORMS[wanted[0]] if wanted else Form.EVENTUALLY if "after" in keys else Form.ALWAYS
        for key in sorted(keys - set(KEYS[form])):
            because = f'with "{wanted[0]}"' if wanted else "here"
            place.problem(key, f"has no meaning {because}; allowed: {', '.join(KEYS[form])}")
        if form is Form.EVENTUALLY and given.within is None:
            place.problem("within", 'this key is missing; "after" needs it')
        first, last, since = self._window(given, form, place)
        if form is Form.ORDER:
            changes = [self._change(item, k, place) for k, item in enumerate(given.sequence)]
            if not place.is_clean:
                return None
            found = tuple(c for c in changes if c is not None)
            return Order(title=given.title, changes=found, first=first, last=last)
        targets = self._targets(given, form, place)
        others = {key: self.find(getattr(given, key), place, key) for key in ("plus", "minus")}
        if not place.is_clean:
            return None
        return Check(
            title=given.title,
            form=form,
            targets=targets,
            first=first,
            last=last,
            since_ns=since,
            quality=given.quality or "usable",
            plus=tuple(p.tag for p in others["plus"]),
            minus=tuple(p.tag for p in others["minus"]),
            statistic=given.statistic or "",
            share=_share(given),
        )

    # ---- time ---------------------------------------------------------------------------------

    def _window(self, given: AssertSection, form: Form, place: Place) -> tuple[int, int, int]:
        """Return (first step, last step, begin in ns) of the assertion's window."""
        if form is Form.AT:
            at = self._moment(given.at, "at", 0, place)
            return at // self.dt_ns, at // self.dt_ns, at
        if form is Form.EVENTUALLY:
            begin = self._moment(given.after, "after", 0, place)
            end = begin + (given.within or 0)
            if end > self.times.duration_ns:
                over = f"ends {seconds(end)} after the start, beyond the end of the run"
                place.problem("within", f"{over} ({seconds(self.times.duration_ns)})")
        else:
            begin = self._moment(given.from_, "from", 0, place)
            end = self._moment(given.to, "to", self.times.duration_ns, place)
        first, last = -(-begin // self.dt_ns), end // self.dt_ns
        if first > last and place.is_clean:
            place.problem("", f"no step ({seconds(self.dt_ns)}) lies from {seconds(begin)} to {seconds(end)}")
        return first, last, begin

    def _moment(self, when: When | None, key: str, default: int, place: Place) -> int:
        if when is None:
            return default
        try:
            return self.times.resolve(when)
        except ValueError as error:
            place.problem(key, str(error))
            return default

    # ---- points -------------------------------------------------------------------------------

    def find(self, words: Sequence[str], place: Place, key: str) -> list[Point]:
        """Return the points of tags and patterns, without doubles."""
        found: dict[str, Point] = {}
        for word in words:
            if "*" in word:
                tags = fnmatch.filter(self.points, word)
            else:
                tags = [word] if word in self.points else []
            if not tags:
                what = "no point matches" if "*" in word else "the station has no point"
                place.problem(key, f"{what} {word!r}{did_you_mean(word, self.points)}")
            found |= {tag: self.points[tag] for tag in tags}
        return list(found.values())

    def _targets(self, given: AssertSection, form: Form, place: Place) -> tuple[Target, ...]:
        if given.tag is None:
            place.problem("tag", "this key is missing and has no default")
            return ()
        if given.equals is None and given.min is None and given.max is None and given.quality is None:
            place.problem("", "asserts nothing; one of equals, min, max, quality is needed")
        if form is Form.STATISTIC and given.equals is None and given.min is None and given.max is None:
            place.problem("", "a statistic needs one of equals, min, max")
        if given.equals is not None and (given.min is not None or given.max is not None):
            place.problem("equals", "stands alone; min and max are for values that need not be equal")
        if given.tolerance is not None and given.equals is None:
            place.problem("tolerance", "belongs to equals, which is missing")
        if given.min is not None and given.max is not None and given.min > given.max:
            place.problem("min", f"{given.min:g} is more than max, {given.max:g}")
        if _share(given) and form in (Form.ALWAYS, Form.EVENTUALLY):
            place.problem("tolerance", "a share of a difference needs one time or a statistic; give a number")
        return tuple(self._target(p, given, place) for p in self.find(given.tag, place, "tag"))

    def _target(self, point: Point, given: AssertSection, place: Place) -> Target:
        low, high = -math.inf, math.inf
        if given.equals is not None:
            value = self.value_of(point, given.equals, place, "equals")
            size, is_share = given.tolerance or (0.0, False)
            if is_share:
                size = 0.0 if _is_difference(given) else size * abs(value)
            low, high = value - size, value + size
        low = low if given.min is None else given.min
        high = high if given.max is None else given.max
        return Target(point=point, low=low, high=high)

    def value_of(self, point: Point, value: float | str, place: Place, key: str) -> float:
        """Return a value, or the number of a state's name."""
        if not isinstance(value, str):
            return value
        if point.states is None:
            place.problem(key, f"{value!r} is text, but {point.tag} has no states; a number is needed")
            return 0.0
        if value not in point.states:
            hint = did_you_mean(value.upper(), point.states)
            place.problem(key, f"{point.tag} has no state {value!r}; one of {', '.join(point.states)}{hint}")
            return 0.0
        return float(point.states.index(value))

    # ---- sequences ----------------------------------------------------------------------------

    def _change(self, item: OrderItem, number: int, place: Place) -> Change | None:
        key = f"sequence[{number}]"
        tag, colon, state = item.status.partition(":")
        if not colon:
            place.problem(key, f'{item.status!r} is not a status change; write it like "TAG: STATE"')
            return None
        points = self.find([tag.strip()], place, key) if "*" not in tag else []
        if "*" in tag:
            place.problem(key, f"{tag.strip()!r} is a pattern; a status change is of one point")
        if not points:
            return None
        if points[0].kind is not Kind.STATUS or points[0].is_health:
            place.problem(key, f"{points[0].tag} is no status point of the plant; its changes are not events")
            return None
        value = self.value_of(points[0], state.strip(), place, key)
        if item.tolerance is not None and item.at is None:
            place.problem(f"{key}.tolerance", "belongs to at, which is missing")
        is_relative = item.at is not None and item.at.base == PREVIOUS
        at_ns = None
        if item.at is not None and is_relative:
            at_ns = item.at.offset_ns
            if number == 0:
                place.problem(f"{key}.at", f"{item.at.text!r} counts from the item before, and there is none")
        elif item.at is not None:
            at_ns = self._moment(item.at, f"{key}.at", 0, place)
        return Change(
            tag=points[0].tag,
            state=state.strip(),
            value=int(value),
            at_ns=at_ns,
            is_relative=is_relative,
            tolerance_ns=self.dt_ns if item.tolerance is None else item.tolerance,
        )


def _is_difference(given: AssertSection) -> bool:
    return bool(given.plus or given.minus)


def _share(given: AssertSection) -> float:
    """Return a tolerance that is a share of the target's own figure, else 0."""
    size, is_share = given.tolerance or (0.0, False)
    return size if is_share and _is_difference(given) else 0.0
