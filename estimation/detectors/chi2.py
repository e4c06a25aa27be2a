"""A sum of squares as a number of standard deviations, whatever its degrees of freedom.

E. B. Wilson and M. M. Hilferty, "The distribution of chi-square", Proc. Nat. Acad. Sci. 17, 1931:
the cube root of chi2/n is close to normal with mean 1 - 2/(9n) and variance 2/(9n).
"""

from __future__ import annotations

import math


def normal_score(chi2: float, dof: float) -> float:
    """Return how far a chi-square value lies above its median, in standard deviations.

    NaN without degrees of freedom. Right to about 0.02 from 10 degrees of freedom on.
    """
    if not (dof > 0.0 and chi2 >= 0.0):
        return math.nan
    spread = 2.0 / (9.0 * dof)
    return float(((chi2 / dof) ** (1.0 / 3.0) - (1.0 - spread)) / math.sqrt(spread))
