"""Settings that every test starts from: the door is open unless a test closes it."""

from __future__ import annotations

import os

os.environ.setdefault("KINDRED_AUTH", "off")
