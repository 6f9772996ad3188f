"""What changed since a snapshot: additions, removals and updates in memory, seen batch by batch."""

from graph.overlay.live import Overlay
from graph.overlay.rows import EdgeRow, edge_row
from graph.overlay.state import EdgeChanges, NodeChanges, OverlayState

__all__ = ["EdgeChanges", "EdgeRow", "NodeChanges", "Overlay", "OverlayState", "edge_row"]
