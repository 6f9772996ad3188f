"""What a shop steers a list by: the stage between fusion and answer."""

from __future__ import annotations

from api.engine.steering.asked import NO_STEERING, Calibration, Context, Freshness, Rotation, Steering
from api.engine.steering.rules import NO_RULES, Boost, Cap, Hide, Pin, Promotion, Rules, Scenario, When
from api.engine.steering.stage import Applied, Removal, Stage, Verdict
from api.engine.steering.stages import Stages

__all__ = [
    "NO_RULES",
    "NO_STEERING",
    "Applied",
    "Boost",
    "Calibration",
    "Cap",
    "Context",
    "Freshness",
    "Hide",
    "Pin",
    "Promotion",
    "Removal",
    "Rotation",
    "Rules",
    "Scenario",
    "Stage",
    "Stages",
    "Steering",
    "Verdict",
    "When",
]
