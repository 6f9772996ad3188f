"""The registry of models: one file and one line each."""

from __future__ import annotations

from gnn.models.model import Model, ModelConfig, ModelEntry

MODELS: dict[str, ModelEntry] = {
    "popularity": ModelEntry("gnn.baselines.popularity:Popularity", "baseline", "most interactions first"),
    "itemknn": ModelEntry("gnn.baselines.itemknn:ItemKNN", "baseline", "cosine item neighbourhoods"),
    "rp3beta": ModelEntry("gnn.baselines.rp3beta:RP3Beta", "walk", "three-step walk, popularity-damped"),
    "ease": ModelEntry("gnn.baselines.ease:EASE", "baseline", "closed-form linear autoencoder"),
    "gfcf": ModelEntry("gnn.baselines.gfcf:GraphFilter", "baseline", "spectral graph filter"),
    "als": ModelEntry("gnn.baselines.als:ALS", "baseline", "weighted matrix factorisation"),
    "bpr": ModelEntry("gnn.baselines.bpr:BPR", "baseline", "pairwise matrix factorisation"),
    "next_item": ModelEntry("gnn.baselines.next_item:NextItem", "walk", "what is chosen soon after"),
    "previous_item": ModelEntry("gnn.baselines.previous_item:PreviousItem", "walk", "what was chosen shortly before"),
    "attributes": ModelEntry("gnn.baselines.attributes:AttributeWalk", "walk", "shared brands, categories, facts"),
    "relations": ModelEntry("gnn.baselines.relations:RelationWalk", "walk", "curated item relations"),
    "text": ModelEntry("gnn.baselines.text:TextNeighbors", "text", "similar words, by text embedding"),
    "lightgcn": ModelEntry("gnn.models.lightgcn:LightGCN", "gnn", "linear propagation on user–item edges"),
    "graphsage": ModelEntry("gnn.models.graphsage:GraphSAGE", "gnn", "text-enriched heterogeneous GraphSAGE"),
    "sequence": ModelEntry("gnn.models.sequence:GraphSequence", "gnn", "graph item vectors, attention over events"),
}

__all__ = ["MODELS", "Model", "ModelConfig", "ModelEntry"]
