"""How much memory a piece of work needed at its peak."""

from __future__ import annotations

import platform
import resource
from pathlib import Path

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"


def begin_peak() -> bool:
    """Forgets the process's peak so far; False where the system cannot, and the peak is that of the whole process."""
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def peak_mb() -> float:
    """The resident memory at its highest since :func:`begin_peak`, in MB."""
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kilobytes, macOS bytes.
    return peak / (2**20 if platform.system() == "Darwin" else 2**10)
