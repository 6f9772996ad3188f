"""Controls: the experiment again with a part of what it knows removed, and one sentence on what the graph adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from gnn.data import ItemKnowledge, TrainingData
from gnn.evaluation import Evaluation, asked_users, evaluate, evaluate_lists, ranked_lists
from gnn.evaluation.gate import GATE_METRIC
from gnn.evaluation.significance import Difference
from gnn.experiment import FUSED, Experiment, learned_fusion
from gnn.experiment.fitting import Fitted, Progress, Runs, fit_models
from gnn.experiment.keeping import Keeper
from gnn.models import MODELS
from gnn.ranker import Ranker
from graph.errors import InputError
from graph.schema import EdgeType

READ_NO_KNOWLEDGE = frozenset({"lightgcn", "xsimgcl"})
"""Models of the family ``gnn`` that look at interactions alone."""
ALSO_EMBEDDINGS = frozenset({"als", "bpr", "gfcf", "bandfilter"})
"""Baselines that rank by vectors, beside everything of the family ``gnn``."""
ALSO_WALKS = frozenset({"itemknn"})
MAX_USERS = 5_000
"""Validation users that rankings are fused on and compared by, at most; the whole ranking too."""


@dataclass(frozen=True)
class Control:
    """What is taken away: from the knowledge that models learn from, or from the models themselves."""

    title: str
    changed: Callable[[ItemKnowledge, int], ItemKnowledge] | None = None
    """New knowledge from the old one and a seed; models that read knowledge are fitted again."""
    removes: Callable[[str], bool] = lambda name: False
    has: Callable[[ItemKnowledge], bool] | None = None
    """Whether there is anything to take away; ``None`` is always."""


def without_graph(knowledge: ItemKnowledge, seed: int = 0) -> ItemKnowledge:
    """No attributes and no relations; texts stay."""
    return ItemKnowledge(text=knowledge.text)


def shuffled_graph(knowledge: ItemKnowledge, seed: int = 0) -> ItemKnowledge:
    """The same edges, but of other items: every edge type keeps its shape and says nothing true any more."""
    rng = np.random.default_rng(seed)

    def rows(matrix: sp.csr_array) -> sp.csr_array:
        return sp.csr_array(matrix[rng.permutation(matrix.shape[0])])

    def both(matrix: sp.csr_array) -> sp.csr_array:
        order = rng.permutation(matrix.shape[0])
        return sp.csr_array(sp.csc_array(matrix[order])[:, order])

    return ItemKnowledge(
        {edge_type: rows(matrix) for edge_type, matrix in knowledge.attributes.items()},
        {edge_type: both(matrix) for edge_type, matrix in knowledge.relations.items()},
        knowledge.text,
    )


def without_text(knowledge: ItemKnowledge, seed: int = 0) -> ItemKnowledge:
    """No texts; the graph stays."""
    return replace(knowledge, text=None)


def has_graph(knowledge: ItemKnowledge) -> bool:
    """Whether anything is known of items beside their texts and who chose them."""
    return any(matrix.nnz for matrix in (*knowledge.attributes.values(), *knowledge.relations.values()))


def is_embedding(name: str) -> bool:
    """Whether a model ranks by vectors."""
    return MODELS[name].family == "gnn" or name in ALSO_EMBEDDINGS


def is_walk(name: str) -> bool:
    """Whether a model ranks by a walk on the graph."""
    return MODELS[name].family == "walk" or name in ALSO_WALKS


CONTROLS: dict[str, Control] = {
    "graph removed": Control("no attributes, facts or item relations", without_graph, has=has_graph),
    "graph shuffled": Control("the same edges on the wrong items", shuffled_graph, has=has_graph),
    "text removed": Control("no item texts", without_text, has=lambda knowledge: knowledge.text is not None),
    "embeddings removed": Control("no graph networks, factorisations or spectral filters", removes=is_embedding),
    "walks removed": Control("no walks on interactions, attributes or relations", removes=is_walk),
}


def without_each(knowledge: ItemKnowledge) -> dict[str, Control]:
    """A control per edge type: the knowledge without it, which tells what that kind of fact adds."""
    return {
        f"without {edge_type[1]}": Control(f"no {edge_type[1]} edges", _removing(edge_type))
        for edge_type in (*knowledge.attributes, *knowledge.relations)
    }


def _removing(edge_type: EdgeType) -> Callable[[ItemKnowledge, int], ItemKnowledge]:
    def changed(knowledge: ItemKnowledge, seed: int) -> ItemKnowledge:
        return replace(
            knowledge,
            attributes={kind: matrix for kind, matrix in knowledge.attributes.items() if kind != edge_type},
            relations={kind: matrix for kind, matrix in knowledge.relations.items() if kind != edge_type},
        )

    return changed


def thinned(share: float) -> Control:
    """A control that keeps each attribute and relation edge with this chance."""

    def changed(knowledge: ItemKnowledge, seed: int) -> ItemKnowledge:
        rng = np.random.default_rng(seed)

        def some(matrix: sp.csr_array) -> sp.csr_array:
            kept = matrix.copy()
            kept.data[rng.random(kept.nnz) >= share] = 0.0
            kept.eliminate_zeros()
            return kept

        return replace(
            knowledge,
            attributes={kind: some(matrix) for kind, matrix in knowledge.attributes.items()},
            relations={kind: some(matrix) for kind, matrix in knowledge.relations.items()},
        )

    return Control(f"{share:.0%} of the graph's edges", changed)


@dataclass(frozen=True)
class ControlResult:
    """The fused ranking under one control. ``difference`` is what the removed part adds: the whole minus this."""

    name: str
    title: str
    evaluation: Evaluation | None
    difference: Difference | None
    whole: Evaluation
    """The ranking with everything, learned from and measured on the same users."""

    def to_document(self) -> dict[str, Any]:
        """As JSON; without figures where nothing was left to rank by."""
        if self.evaluation is None or self.difference is None:
            return {"control": self.name, "title": self.title}
        return {
            "control": self.name,
            "title": self.title,
            **{name: round(value, 5) for name, value in self.evaluation.metrics.items()},
            "slices": {p.name: round(p.metrics["recall@20"], 5) for p in self.evaluation.slices if p.num_users},
            "adds": round(self.difference.mean, 5),
            "interval": [round(self.difference.low, 5), round(self.difference.high, 5)],
        }


def run_controls(
    experiment: Experiment,
    knowledge: ItemKnowledge,
    *,
    controls: Mapping[str, Control] = CONTROLS,
    ordered: bool = True,
    repeats: bool = False,
    progress: Progress | None = None,
    runs: Runs | None = None,
    keeper: Keeper | None = None,
) -> tuple[ControlResult, ...]:
    """The fused ranking on validation, cross-fitted as the experiment's own, under every control; test stays untouched.

    Above :data:`MAX_USERS` validation users a part of them is drawn, of several draws the first is taken, and new items
    are not raised; then the whole ranking is fused in that way too.
    Options are those that the experiment chose; only models that read what changed are fitted again, for as many epochs
    as were best with everything, and the fusion. ``ordered`` and ``repeats`` as in the experiment's recipe. A control
    that takes away what the data does not have is the whole ranking.

    Raises:
        InputError: when the experiment did not fuse anything.
    """
    whole = next((row.validation for row in experiment.rows if row.model == FUSED), None)
    if whole is None:
        raise InputError("controls compare fused rankings", got="an experiment without a fusion")
    validation = experiment.split.validation.of_some_users(MAX_USERS, experiment.seed)
    data = TrainingData(
        experiment.split.train, knowledge, validation, experiment.seed, experiment.device, ordered, repeats
    )
    running = _Running(experiment, whole, data, progress, runs, keeper)
    fused_otherwise = experiment.verdict.draws > 1 or experiment.raised is not None
    if fused_otherwise or len(validation) < len(experiment.split.validation):
        running = replace(running, whole=running.fused("nothing removed", running.kept(lambda name: False), data))
    return tuple(running(name, control) for name, control in controls.items())


@dataclass(frozen=True)
class _Running:
    """Runs controls of one experiment. ``data`` is what its models were fitted to, with all knowledge."""

    experiment: Experiment
    whole: Evaluation
    data: TrainingData
    progress: Progress | None
    runs: Runs | None
    keeper: Keeper | None

    def __call__(self, name: str, control: Control) -> ControlResult:
        if control.has is not None and not control.has(self.data.knowledge):
            return self._result(name, control, self.whole)
        if self.progress is not None:
            self.progress.step(f"control: {name}")
        left, data = self.kept(control.removes), self.data
        if control.changed is not None:
            data = replace(data, knowledge=control.changed(data.knowledge, data.seed))
            again = {source: left.options[source] for source in left.operators if _reads_knowledge(source)}
            known = replace(data, validation=None)  # the epochs are chosen, so there is nothing to stop by
            refitted = fit_models(again, known, self.progress, stage=name, runs=self.runs, keeper=self.keeper)
            left.operators.update(refitted.operators)
        return self._result(name, control, self.fused(name, left, data) if left.operators else None)

    def kept(self, removed: Callable[[str], bool]) -> Fitted:
        """The experiment's sources without those removed."""
        fitted = self.experiment.fitted
        sources = self.experiment.fusion.weights.space.sources
        left = {source: fitted.operators[source] for source in sources if not removed(source)}
        return Fitted(left, fitted.seconds, fitted.peak_mb, dict(fitted.options))

    def fused(self, name: str, left: Fitted, data: TrainingData) -> Evaluation:
        """The fusion of what is left, learned anew and measured on users it was not learned from."""
        fusion = learned_fusion(left.operators, left, data, self.keeper, stage=f"{name}, {MAX_USERS} users")
        return self._measured(name, fusion.cross_fitted(left.operators), left)

    def _result(self, name: str, control: Control, found: Evaluation | None) -> ControlResult:
        difference = None if found is None else self.whole.compare(found, GATE_METRIC)
        return ControlResult(name, control.title, found, difference, self.whole)

    def _measured(self, name: str, ranker: Ranker, fitted: Fitted) -> Evaluation:
        seen, relevant = self.data.train, self.data.validation
        assert relevant is not None
        if self.keeper is None:
            return evaluate(ranker, seen, relevant, repeats=self.data.repeats)
        used = {source: fitted.options[source] for source in fitted.operators}
        kept_as = self.keeper.fusion_name(f"{name}, {MAX_USERS} users, lists", used)
        k = self.whole.ranked.shape[1]
        ranked = self.keeper.lists(
            kept_as, lambda: ranked_lists(ranker, seen, asked_users(relevant), k, repeats=self.data.repeats)
        )
        return evaluate_lists(ranked, seen, relevant)


def _reads_knowledge(name: str) -> bool:
    family = MODELS[name].family
    if family == "gnn":
        return name not in READ_NO_KNOWLEDGE
    return family == "text" or name in ("attributes", "relations", "fresh_attributes")


def sentence(results: tuple[ControlResult, ...], knowledge: ItemKnowledge | None = None) -> str:
    """What the graph adds, also when it is nothing."""
    if knowledge is not None and not has_graph(knowledge):
        return "this data says nothing of items beside who chose them, so there is no graph that could add anything"
    named = {result.name: result for result in results}
    removed, shuffled = named["graph removed"], named["graph shuffled"]
    if removed.difference is None or shuffled.difference is None:
        return "without its graph nothing is left to rank by, so what the graph adds cannot be told"
    adds, whole = removed.difference, removed.whole.metrics[GATE_METRIC]
    figures = f"{GATE_METRIC} {adds.mean:+.4f}, 95 % interval {adds.low:+.4f} to {adds.high:+.4f}, of {whole:.4f}"
    if adds.is_better:
        told = f"the graph adds {adds.mean / whole:.1%} to the fused ranking ({figures})"
    elif adds.is_worse:
        told = f"the graph costs the fused ranking {-adds.mean / whole:.1%} ({figures})"
    else:
        told = f"the graph adds nothing to the fused ranking that can be told from noise ({figures})"
    true = shuffled.difference
    worse = "and it is its truth that counts" if true.is_better else "and a shuffled graph does as well"
    return f"{told}, {worse} (against a shuffled one {true.mean:+.4f}, {true.low:+.4f} to {true.high:+.4f})"
