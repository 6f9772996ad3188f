"""A connection to Ray: the cluster that ``RAY_ADDRESS`` names, or workers on this machine."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from graph.errors import MissingExtra

ADDRESS = "RAY_ADDRESS"
"""Ray's own environment variable: the address of a cluster."""


def check_ray() -> None:
    """Nothing, when Ray is installed; :class:`MissingExtra`, before any work, when it is not."""
    if find_spec("ray") is None:
        raise MissingExtra("Ray is not installed", remedy="pip install 'kindred[scale]', or work without --ray.")


@contextmanager
def ray_with(workers: int) -> Iterator[None]:
    """Ray with room for so many workers of one core; a connection that is there already is used and kept.

    Raises:
        MissingExtra: when Ray is not installed.
    """
    check_ray()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a worker without a GPU is left as it is
    import ray

    if ray.is_initialized():
        yield
        return
    # Workers import what this process imports, from where it does.
    shown = {"env_vars": {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}}
    if os.environ.get(ADDRESS):
        ray.init(logging_level=logging.ERROR, log_to_driver=False)
    else:
        # One more than the workers: a coordinator of Ray's own takes part of a core.
        ray.init(
            num_cpus=workers + 1,
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
            runtime_env=shown,
        )
    try:
        yield
    finally:
        ray.shutdown()
