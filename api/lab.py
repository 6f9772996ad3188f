"""A laboratory for notebooks: a source's graph in its own folder, and the recipe of ``kindred train`` step by step.

>>> lab = Lab.open("movielens")  # doctest: +SKIP
>>> experiment = lab.experiment({"popularity": {}, "ease": {}})  # doctest: +SKIP
>>> lab.publish(experiment)  # doctest: +SKIP
>>> lab.engine().recommend(Request("1")).item_ids  # doctest: +SKIP
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from api.client import ApiProblem, Kindred, Unreachable
from api.command.recipe import NO_TEXT, Material, Order, controls_on, experiment_on, material_from, publish
from api.command.terminal import Telling
from api.command.workshop import mapping_named, opened
from api.engine import Engine
from api.settings import Settings, load_settings
from gnn.data import Interactions, ItemKnowledge
from gnn.experiment import Experiment
from gnn.splits import Split
from gnn.splits.protocols import Cuts, protocol_for, protocol_named
from graph.ports import free_ports
from graph.release import Release, current_release
from graph.view import GraphView
from ingest.loading import ingest

START_TIMEOUT_S = 90.0


class Silent(Telling):
    """Says nothing: a notebook's output is its own."""

    def step(self, text: str) -> None:
        pass


@dataclass(frozen=True, eq=False)
class Lab:
    """One graph, one protocol, and everything that ``kindred train`` does with them. Made by :meth:`open`."""

    settings: Settings
    material: Material
    protocol: str
    tell: Telling

    @classmethod
    def open(
        cls,
        source: str = "movielens",
        *,
        folder: Path | None = None,
        protocol: str | None = None,
        text: str = NO_TEXT,
        tell: Telling | None = None,
    ) -> Lab:
        """The graph of a source (see ``kindred sources``) or of a mapping file, ready to learn from.

        It lies in ``folder``, by default ``lab/`` in the work folder, so the shop's own graph stays as it is. A graph
        that is there already is taken as it is: delete the folder to read the source again. ``text`` names the text
        encoder. ``protocol`` says how to measure, by default what suits the data.

        Raises:
            NotFound: when the source's data is nowhere.
            InputError: when the graph has no interactions, or there is no such protocol.
        """
        shared = load_settings()
        place = (folder or shared.work_dir / "lab" / Path(source).stem).absolute()
        place.mkdir(parents=True, exist_ok=True)
        settings = shared.model_copy(
            update={"store": f"sqlite:{place / 'graph.db'}", "releases": place / "releases", "work_dir": place}
        )
        voice = tell or Silent()
        run = Path(mkdtemp(dir=place, prefix="run-"))
        ingested = place / "ingested.json"  # written last, so that half a graph is never taken for a whole one
        with opened(settings) as graph:
            if not ingested.exists():
                ingested.write_text(ingest(mapping_named(source, shared), graph, work_dir=run).to_json())
            material = material_from(graph, run, settings, text, voice)
        name = protocol or protocol_for(material.interactions, material.holdout)
        protocol_named(name)
        lab = cls(settings, material, name, voice)
        weakref.finalize(lab, shutil.rmtree, run, ignore_errors=True)
        return lab

    @property
    def interactions(self) -> Interactions:
        """Who chose what, without what the data set holds out."""
        return self.material.interactions

    @property
    def knowledge(self) -> ItemKnowledge:
        """Attributes, relations and texts of items."""
        return self.material.knowledge

    @property
    def view(self) -> GraphView:
        """The graph as it was when the lab was opened."""
        return GraphView(self.material.snapshot)

    def title(self, item_index: int) -> str:
        """The name of an item row."""
        return self.view.title(self.material.snapshot.schema.item_type, item_index)

    def split(self, seed: int = 42) -> Split:
        """Training, validation and test part under the lab's protocol."""
        return protocol_named(self.protocol).split(self.interactions, self.material.holdout, Cuts(seed))

    def experiment(self, models: Mapping[str, Mapping[str, Any]], *, seed: int = 42, **order: Any) -> Experiment:
        """Models and their fusion, measured by the engine that serves; ``order`` are further fields of an Order."""
        wanted = Order(self.protocol, Cuts(seed), models, **({"tuned": False} | order))
        return experiment_on(self.material, wanted, self.settings, self.tell)[1]

    def controls(self, experiment: Experiment) -> dict[str, Any]:
        """The experiment without its graph, texts, embeddings and walks, and a sentence on what the graph adds."""
        order = Order(self.protocol, Cuts(experiment.seed))
        return controls_on(self.material, self.protocol, experiment, order, self.settings, self.tell)

    def publish(self, experiment: Experiment) -> Release:
        """What the gate lets through, as the lab's new current release."""
        return publish(self.material, experiment, self.protocol, self.settings, self.tell)

    def engine(self) -> Engine:
        """The engine over the current release, as the API has it; ReleaseError before anything is published."""
        return Engine.from_release(current_release(self.settings.releases))

    @contextmanager
    def serving(self) -> Iterator[Kindred]:
        """A client of ``kindred serve`` over the lab's graph and release; the server ends with the block.

        Raises:
            Unreachable: when the server does not come up.
        """
        [port] = free_ports()
        environment = os.environ | {
            "KINDRED_STORE": self.settings.store,
            "KINDRED_RELEASES": str(self.settings.releases.absolute()),
            "KINDRED_WORK_DIR": str(self.settings.work_dir),
            "KINDRED_AUTH": "off",
            "KINDRED_LOG_LEVEL": "error",
        }
        command = [sys.executable, "-m", "kindred", "serve", "--host", "127.0.0.1", "--port", str(port)]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603  # our own command
        try:
            # Generous: a laptop that is busy answers late, and a notebook has time.
            with Kindred(f"http://127.0.0.1:{port}", timeout_s=30.0) as client:
                _wait_until_ready(client, server)
                yield client
        finally:
            server.terminate()
            server.wait()


def _wait_until_ready(client: Kindred, server: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            client.ready()
            return
        except (Unreachable, ApiProblem):
            if server.poll() is not None or time.monotonic() > ends:
                raise
        time.sleep(0.1)
