"""Cloud transients: a seeded, spatially correlated sky that drifts with the wind.

The sky is lattice noise in (x, y, time), smoothly interpolated, three octaves (value noise;
D. S. Ebert et al., Texturing and Modeling, 3rd edition, 2003, chapter 2), so that neighbouring
sites see the same cloud and sites some cloud sizes apart see different ones. It is a pure
function of the key, place, time and drift: any moment can be computed again. The noise is made
uniform by its own normal approximation and cut at the cloud cover, so that about this part of
the sky is cloud. Just outside an edge irradiance rises by a few percent (light scattered from
the cloud's side; J. Luoma, J. Kleissl, K. Murray, Solar Energy 86, 2012, 421-425).

What it is not: no cloud layers, no diffuse part by itself; clearness multiplies the clear-sky
irradiance in the plane of the array as a whole.
"""

from __future__ import annotations

import math

import numpy as np

from rtcore.jit import kernel
from rtcore.noise import mix64

OCTAVES = 3
SPREAD = 0.1311
"""Standard deviation of the sum of octaves over place and time (measured over 4e6 points)."""
SOFT = 0.15
"""Part of the sky's scale over which a cloud's edge goes from clear to thick."""
RIM = 0.05
"""Part of the sky's scale just outside an edge where irradiance is raised."""


@kernel
def _corner(key, ix, iy, it):  # type: ignore[no-untyped-def]
    """Uniform 0..1 of one lattice point."""
    z = np.uint64(key) + np.uint64(ix) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(iy) * np.uint64(0xD1342543DE82EF95)
    z = mix64(z + np.uint64(it) * np.uint64(0xDA942042E4DD58B5))
    return np.float64(z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel
def _fade(x):  # type: ignore[no-untyped-def]
    """0..1 with zero slope and curvature at both ends."""
    return x * x * x * (x * (x * 6.0 - 15.0) + 10.0)


@kernel
def _noise(key, x, y, t):  # type: ignore[no-untyped-def]
    """Smooth noise 0..1 at lattice coordinates."""
    fx, fy, ft = math.floor(x), math.floor(y), math.floor(t)
    ix, iy, it = np.int64(fx), np.int64(fy), np.int64(ft)
    u, w, q = _fade(x - fx), _fade(y - fy), _fade(t - ft)
    total = 0.0
    for k in range(2):
        a, b = _corner(key, ix, iy, it + k), _corner(key, ix + 1, iy, it + k)
        c, d = _corner(key, ix, iy + 1, it + k), _corner(key, ix + 1, iy + 1, it + k)
        south, north = a + u * (b - a), c + u * (d - c)
        total += (q if k else 1.0 - q) * (south + w * (north - south))
    return total


@kernel
def sky(key, x_m, y_m, t_s, cloud_m, life_s):  # type: ignore[no-untyped-def]
    """Cloudiness 0..1 of a place that moves with the air: about uniform over places.

    Parameters
    ----------
    x_m, y_m : float
        Place less drift [m].
    cloud_m, life_s : float
        Size [m] and time [s] of the largest octave; each next one has half of both.
    """
    total, weight, weights = 0.0, 1.0, 0.0
    scale = 1.0
    for octave in range(OCTAVES):
        of_octave = np.uint64(key) + np.uint64(octave + 1) * np.uint64(0xA0761D6478BD642F)
        total += weight * _noise(
            of_octave, x_m * scale / cloud_m, y_m * scale / cloud_m, t_s * scale / life_s
        )
        weights += weight
        weight *= 0.5
        scale *= 2.0
    z = (total / weights - 0.5) / SPREAD
    return 0.5 * math.erfc(-z * math.sqrt(0.5))


@kernel
def _smooth(x):  # type: ignore[no-untyped-def]
    x = min(max(x, 0.0), 1.0)
    return x * x * (3.0 - 2.0 * x)


@kernel
def clearness_of(u, cover, thick, edge):  # type: ignore[no-untyped-def]
    """Clearness where cloudiness is ``u``: 1 clear, ``thick`` under thick cloud, at most 1 + edge."""
    if not cover > 0.0:
        return 1.0
    cut = 1.0 - cover * (1.0 + SOFT)  # at cover 1 even u = 0 lies a whole edge inside
    cloud = _smooth((u - cut) / SOFT)
    deepest = _smooth((1.0 - cut) / SOFT)  # few, thin clouds have no bright rims
    rim = min(max(1.0 - abs(cut - 0.5 * RIM - u) / (0.5 * RIM), 0.0), 1.0)
    shade = 1.0 - thick * (1.25 - 0.5 * u)  # the core of a cloud is darker than its outskirts
    return 1.0 - cloud * shade + edge * rim * deepest * deepest


@kernel
def clearness(key, x_m, y_m, t_s, cover, drift_x_m, drift_y_m, cloud_m, life_s, thick, edge):  # type: ignore[no-untyped-def]
    """Clearness at one place: factor on clear-sky irradiance, exactly 1 at cover 0.

    Parameters
    ----------
    key : uint64
        Key of this sky.
    x_m, y_m : float
        Place, east and north of the site's origin [m].
    t_s : float
        Simulated time since the start [s].
    cover : float
        Part of the sky under cloud, 0..1.
    drift_x_m, drift_y_m : float
        Way of the air since the start [m]: wind times time while the wind is steady.
    cloud_m, life_s, thick, edge : float
        Parameters of ``weather``.
    """
    if not cover > 0.0:
        return 1.0
    u = sky(key, x_m - drift_x_m, y_m - drift_y_m, t_s, cloud_m, life_s)
    return clearness_of(u, cover, thick, edge)


@kernel
def cover_at(p, s, x_m, y_m):  # type: ignore[no-untyped-def]
    """Cloud cover at one place, with the front, if there is one."""
    cover = s["cover"][0]
    if s["front_start_s"][0] < 0.0 or s["front_m"][0] <= 0.0:
        return cover
    ahead = x_m * s["front_x"][0] + y_m * s["front_y"][0]
    behind_m = s["front_m"][0] - p["front_distance_m"][0] - ahead
    width, depth = p["front_width_m"][0], p["front_depth_m"][0]
    inside = _smooth(behind_m / width) * (1.0 - _smooth((behind_m - depth) / width))
    return cover + (p["front_cover"][0] - cover) * inside


@kernel
def clearness_all(p, s, key, x_m, y_m, t_s, out):  # type: ignore[no-untyped-def]
    """Clearness of every site.

    Parameters
    ----------
    p, s : Weather rows, shape (1,)
    x_m, y_m : float64[n]
        Places of the sites [m].
    out : float64[n]
        Filled.
    """
    cloud_m, life_s = p["cloud_m"][0], p["cloud_life_s"][0]
    drift_x, drift_y, thick, edge = s["drift_x_m"][0], s["drift_y_m"][0], p["thick"][0], p["edge"][0]
    for i in range(out.shape[0]):
        cover = cover_at(p, s, x_m[i], y_m[i])
        out[i] = clearness(key, x_m[i], y_m[i], t_s, cover, drift_x, drift_y, cloud_m, life_s, thick, edge)
