"""What runs in a worker: points numba at the kernel cache before anything that needs it is imported."""

from __future__ import annotations

import pickle


def work(payload: bytes, key: tuple[str, int]) -> bytes:
    """Do one run.

    Parameters
    ----------
    payload : bytes
        The plan, pickled.
    key : tuple
        Kind and number of the run.

    Returns
    -------
    bytes
        The result, pickled: this way nothing of it is unpacked by a scheduler in between.
    """
    from hil import kernel_cache

    kernel_cache.prepare()
    plan = pickle.loads(payload)
    from hil.cyberrange.draw import Job
    from hil.cyberrange.job import carry_out, one_scan

    if not kernel_cache.has(kernel_cache.HEADLESS):
        with kernel_cache.compiling(kernel_cache.HEADLESS):
            one_scan(plan, Job(*key))
    return pickle.dumps(carry_out(plan, Job(*key)))
