"""The variables that say how many threads a library takes for a product of matrices; read when it is loaded."""

from __future__ import annotations

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
