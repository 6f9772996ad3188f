"""Where a release's vectors lie: two places in turn, so that the new ones are written beside the old."""

from __future__ import annotations

SLOTS = ("embedding_a", "embedding_b")
"""Properties of nodes; the number in the node ``KindredCurrent`` says which one counts."""
