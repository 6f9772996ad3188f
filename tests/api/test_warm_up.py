"""An engine that came from a release has compiled its loops before its first answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.api.corner_shop import Shop

_ASKED = """
import sys
from importlib import import_module
from pathlib import Path
from api.engine import Engine, Request
from api.engine.request import RELATED_KINDS
from graph.overlay import Overlay
from graph.release import current_release, open_release

def compiled():
    loops = [vars(import_module(f"gnn.compiled.{name}")) for name in ("rows", "contexts", "pool")]
    return {name: len(loop.signatures) for part in loops for name, loop in part.items() if hasattr(loop, "signatures")}

release = open_release(Path(sys.argv[1]))
engine = Engine.from_release(release, Overlay(release.snapshot))
before = compiled()
for user in ("t00", "b03", None):
    engine.recommend(Request(user, items=("tea",), reasons=True))
for kind in RELATED_KINDS:
    engine.related("tea", kind, reasons=True)
after = compiled()
print(sum(before.values()), {name for name in after if after[name] != before[name]} or "nothing")
"""


def test_a_first_answer_waits_for_no_compiler(shop: Shop, tmp_path: Path) -> None:
    directory = release_of(shop, tmp_path)
    said = subprocess.run([sys.executable, "-c", _ASKED, str(directory)], capture_output=True, text=True, check=True)
    compiled, later = said.stdout.split(maxsplit=1)
    assert int(compiled) > 5
    assert later.strip() == "nothing"


def release_of(shop: Shop, root: Path) -> Path:
    """A release of the shop on disk."""
    shop.released(root)
    (directory,) = [path.parent for path in root.rglob("manifest.json") if "snapshot" not in path.parent.name]
    return directory
