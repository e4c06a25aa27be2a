"""Contact wear of a breaker: operations that are left at a current, and the energy let through.

Two laws, both straight lines of log(operations) over log(current):

- ``two_point`` (ABB SSCBR): from (rated current, mechanical operations) to (rated fault current,
  operations at it), slope ``D = log(N_r / N_f) / log(I_r / I_f)``;
- ``three_point`` (SEL breaker monitor): a further point between them.

Below the first point every operation costs what it costs there, above the last one likewise. An
operation at I wears ``100 / N(I)`` percent; the contacts are used up at 100. The laws are those of
the manufacturers' manuals; the default points are SEL's example.
"""

from __future__ import annotations

import math

from rtcore.jit import kernel

LAWS = {"off": 0.0, "two_point": 1.0, "three_point": 2.0}
"""Words of the setting and their numbers."""
OFF, THREE_POINT = LAWS["off"], LAWS["three_point"]


@kernel
def between(i_a, low_a, low_ops, high_a, high_ops):  # type: ignore[no-untyped-def]
    """Operations at a current on the log-log line between two points."""
    if not high_a > low_a:
        return high_ops
    slope = math.log(high_ops / low_ops) / math.log(high_a / low_a)
    return low_ops * math.exp(slope * math.log(i_a / low_a))


@kernel
def operations(p, i, i_a):  # type: ignore[no-untyped-def]
    """Operations that new contacts stand at a current [A]; ``p``: parameter rows of breakers."""
    if not i_a > p["wear_1_a"][i]:
        return p["wear_1_ops"][i]
    if i_a >= p["wear_3_a"][i]:
        return p["wear_3_ops"][i]
    if p["wear_law"][i] != THREE_POINT:
        return between(i_a, p["wear_1_a"][i], p["wear_1_ops"][i], p["wear_3_a"][i], p["wear_3_ops"][i])
    if i_a < p["wear_2_a"][i]:
        return between(i_a, p["wear_1_a"][i], p["wear_1_ops"][i], p["wear_2_a"][i], p["wear_2_ops"][i])
    return between(i_a, p["wear_2_a"][i], p["wear_2_ops"][i], p["wear_3_a"][i], p["wear_3_ops"][i])


@kernel
def add_wear(p, s, i, pole, i_a):  # type: ignore[no-untyped-def]
    """Count one interruption of a current [A] by one pole."""
    if p["wear_law"][i] == OFF:
        return
    part_pct = 100.0 / operations(p, i, i_a)
    if pole == 0:
        s["wear_a_pct"][i] += part_pct
    elif pole == 1:
        s["wear_b_pct"][i] += part_pct
    else:
        s["wear_c_pct"][i] += part_pct


@kernel
def add_energy(s, i, pole, i_a, arc_s):  # type: ignore[no-untyped-def]
    """Add the I^2 t of an arc that burned ``arc_s``."""
    i2t = i_a * i_a * arc_s
    if pole == 0:
        s["i2t_1"][i] += i2t
    elif pole == 1:
        s["i2t_2"][i] += i2t
    else:
        s["i2t_3"][i] += i2t
