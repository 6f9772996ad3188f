"""Controls: the experiment again with a part of what it knows removed, and one sentence on what the graph adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from gnn.data import ItemKnowledge, TrainingData
from gnn.evaluation import Evaluation, evaluate
from gnn.experiment import FUSED, Experiment, Progress, fit_models
from gnn.fusion import learn_fusion
from gnn.gate import GATE_METRIC
from gnn.models import MODELS
from gnn.significance import Difference
from graph.errors import InputError
from graph.schema import EdgeType

READ_NO_KNOWLEDGE = frozenset({"lightgcn", "xsimgcl"})
"""Models of the family ``gnn`` that look at interactions alone."""
ALSO_EMBEDDINGS = frozenset({"als", "bpr", "gfcf", "bandfilter"})
"""Baselines that rank by vectors, beside everything of the family ``gnn``."""
ALSO_WALKS = frozenset({"itemknn"})


@dataclass(frozen=True)
class Control:
    """What is taken away: from the knowledge that models learn from, or from the models themselves."""

    title: str
    changed: Callable[[ItemKnowledge, int], ItemKnowledge] | None = None
    """New knowledge from the old one and a seed; models that read knowledge are fitted again."""
    removes: Callable[[str], bool] = lambda name: False


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


def is_embedding(name: str) -> bool:
    """Whether a model ranks by vectors."""
    return MODELS[name].family == "gnn" or name in ALSO_EMBEDDINGS


def is_walk(name: str) -> bool:
    """Whether a model ranks by a walk on the graph."""
    return MODELS[name].family == "walk" or name in ALSO_WALKS


CONTROLS: dict[str, Control] = {
    "graph removed": Control("no attributes, facts or item relations", without_graph),
    "graph shuffled": Control("the same edges on the wrong items", shuffled_graph),
    "text removed": Control("no item texts", without_text),
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
    progress: Progress | None = None,
) -> tuple[ControlResult, ...]:
    """The fused ranking on validation, cross-fitted as the experiment's own, under every control; test stays untouched.

    Options are those that the experiment chose; only models that read what changed are fitted again. ``ordered`` as in
    the experiment's recipe.

    Raises:
        InputError: when the experiment did not fuse anything.
    """
    whole = next((row.validation for row in experiment.rows if row.model == FUSED), None)
    if whole is None:
        raise InputError("controls compare fused rankings", got="an experiment without a fusion")
    return tuple(
        _run(name, control, whole, experiment, knowledge, ordered, progress) for name, control in controls.items()
    )


def _run(
    name: str,
    control: Control,
    whole: Evaluation,
    experiment: Experiment,
    knowledge: ItemKnowledge,
    ordered: bool,
    progress: Progress | None,
) -> ControlResult:
    if progress is not None:
        progress.step(f"control: {name}")
    split = experiment.split
    operators = {name: experiment.fitted.operators[name] for name in experiment.fusion.weights.space.sources}
    if control.changed is not None:
        changed = control.changed(knowledge, experiment.seed)
        data = TrainingData(split.train, changed, split.validation, experiment.seed, experiment.device, ordered)
        again = {source: experiment.fitted.options[source] for source in operators if _reads_knowledge(source)}
        operators |= fit_models(again, data, progress).operators
    operators = {source: operator for source, operator in operators.items() if not control.removes(source)}
    if not operators:
        return ControlResult(name, control.title, None, None)
    fusion = learn_fusion(operators, split.train, split.validation, seed=experiment.seed, ordered=ordered)
    found = evaluate(fusion.cross_fitted(operators), split.train, split.validation)
    return ControlResult(name, control.title, found, whole.compare(found, GATE_METRIC))


def _reads_knowledge(name: str) -> bool:
    family = MODELS[name].family
    return (
        family == "text" or name in ("attributes", "relations") or (family == "gnn" and name not in READ_NO_KNOWLEDGE)
    )


def sentence(results: tuple[ControlResult, ...], whole: float) -> str:
    """What the graph adds, also when it is nothing. ``whole`` is the full ranking's figure."""
    named = {result.name: result for result in results}
    removed, shuffled = named["graph removed"], named["graph shuffled"]
    if removed.difference is None or shuffled.difference is None:
        return "without its graph nothing is left to rank by, so what the graph adds cannot be told"
    adds = removed.difference
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
