"""Current drawn by one load branch as a function of its voltage.

The law OpenDSS uses, so that both programs can be compared to the last digit: inside
vmin..vmax the model's own law; above vmax a constant impedance that is continuous there;
below vmin the current is linear in |V| down to the constant impedance at vlow.
Derivation and check against single-load circuits: tests/validation/test_load_law.py.
"""

from __future__ import annotations

import numpy as np

from rtcore.jit import fast_kernel

CONST_PQ, CONST_Z, CVR, CONST_I, ZIP = 1, 2, 4, 5, 8
"""Model numbers, as in OpenDSS."""


@fast_kernel
def load_current(v, s, vb, model, v_low, v_min, v_max, z):  # type: ignore[no-untyped-def]
    """Return the current drawn by a branch [A].

    Parameters
    ----------
    v : complex
        Branch voltage [V].
    s, vb : complex, float
        Nominal power [VA] and voltage [V] of the branch.
    model : int
        One of the model numbers of this module.
    v_low, v_min, v_max : float
        Limits of the law [pu of vb].
    z : float64[7]
        ZIP shares Zp, Ip, Pp, Zq, Iq, Pq and the cut-off voltage [pu]; for the CVR model
        the exponents of P and Q in columns 0 and 1.
    """
    u2 = (v.real * v.real + v.imag * v.imag) / (vb * vb)
    u = np.sqrt(u2)
    y = np.conj(s) / (vb * vb)
    if u <= v_low or model == CONST_Z:
        return y * v
    if model == ZIP:
        return _zip_current(v, y, u, v_low, v_min, v_max, z)
    if u <= v_min:
        i_at_min = 1.0 if model == CONST_I else 1.0 / v_min
        return y * v * ((v_low + (i_at_min - v_low) * (u - v_low) / (v_min - v_low)) / u)
    if u > v_max:
        return y * v * (1.0 / v_max if model == CONST_I else 1.0 / (v_max * v_max))
    if model == CONST_I:
        return y * v / u
    if model == CVR:
        return complex(y.real * u ** (z[0] - 2.0), y.imag * u ** (z[1] - 2.0)) * v
    return y * v / u2


@fast_kernel
def branch_current(k, v, s, vb, model, v_low, v_min, v_max, z):  # type: ignore[no-untyped-def]
    """Return the current of branch ``k`` of load arrays [A]; the common case without a call."""
    m2 = v.real * v.real + v.imag * v.imag
    low, high = v_min[k] * vb[k], v_max[k] * vb[k]
    if model[k] == CONST_PQ and low * low < m2 <= high * high:
        scale = 1.0 / m2
        p, q = s[k].real * scale, s[k].imag * scale
        return complex(p * v.real + q * v.imag, p * v.imag - q * v.real)
    return load_current(v, s[k], vb[k], model[k], v_low[k], v_min[k], v_max[k], z[k])


@fast_kernel
def _zip_current(v, y, u, v_low, v_min, v_max, z):  # type: ignore[no-untyped-def]
    """Polynomial load: shares of constant impedance, current and power, with a soft cut-off.

    Outside vmin..vmax the law is that of the other models, with the polynomial's own current
    at the limit, for P and Q each.
    """
    limit = min(max(u, v_min), v_max)
    p = z[0] * limit + z[1] + z[2] / limit
    q = z[3] * limit + z[4] + z[5] / limit
    if u <= v_min:
        along = (u - v_low) / (v_min - v_low)
        p = v_low + (p - v_low) * along
        q = v_low + (q - v_low) * along
    elif u > v_max:
        p *= u / v_max
        q *= u / v_max
    current = complex(y.real * p, y.imag * q) * v / u
    if z[6] > 0.0:
        current = current * (0.5 * (1.0 + np.tanh(500.0 * (u - z[6]))))
    return current
