"""The registry of models: one file and one line each."""

from __future__ import annotations

from gnn.models.model import Model, ModelConfig, ModelEntry

MODELS: dict[str, ModelEntry] = {
    "popularity": ModelEntry("gnn.baselines.popularity:Popularity", "baseline", "most interactions first"),
    "recent_popularity": ModelEntry(
        "gnn.baselines.recent_popularity:RecentPopularity", "baseline", "most interactions of late first"
    ),
    "itemknn": ModelEntry("gnn.baselines.itemknn:ItemKNN", "baseline", "cosine item neighbourhoods"),
    "rp3beta": ModelEntry("gnn.baselines.rp3beta:RP3Beta", "walk", "three-step walk, popularity-damped"),
    "ease": ModelEntry("gnn.baselines.ease:EASE", "baseline", "closed-form linear autoencoder"),
    "gfcf": ModelEntry("gnn.baselines.gfcf:GraphFilter", "baseline", "spectral graph filter"),
    "bandfilter": ModelEntry(
        "gnn.baselines.bandfilter:BandFilter", "baseline", "blurring and sharpening, in spectral bands", default=False
    ),
    "als": ModelEntry("gnn.baselines.als:ALS", "baseline", "weighted matrix factorisation"),
    "bpr": ModelEntry("gnn.baselines.bpr:BPR", "baseline", "pairwise matrix factorisation"),
    "next_item": ModelEntry("gnn.baselines.next_item:NextItem", "walk", "what is chosen soon after"),
    "previous_item": ModelEntry("gnn.baselines.previous_item:PreviousItem", "walk", "what was chosen shortly before"),
    "attributes": ModelEntry("gnn.baselines.attributes:AttributeWalk", "walk", "shared brands, categories, facts"),
    "relations": ModelEntry("gnn.baselines.relations:RelationWalk", "walk", "curated item relations"),
    "text": ModelEntry("gnn.baselines.text:TextNeighbors", "text", "similar words, by text embedding"),
    "personal_frequency": ModelEntry(
        "gnn.baselines.personal:PersonalFrequency", "baseline", "what the user chose most often", default=False
    ),
    "personal_recency": ModelEntry(
        "gnn.baselines.personal:PersonalRecency", "baseline", "what the user chose often of late", default=False
    ),
    "fresh_text": ModelEntry(
        "gnn.baselines.fresh:FreshText", "text", "similar words, among items nobody has chosen", default=False
    ),
    "fresh_attributes": ModelEntry(
        "gnn.baselines.fresh:FreshAttributes", "walk", "shared facts, among items nobody has chosen", default=False
    ),
    "unseen": ModelEntry("gnn.baselines.fresh:Unseen", "baseline", "what nobody has chosen yet", default=False),
    "lightgcn": ModelEntry("gnn.models.lightgcn:LightGCN", "gnn", "linear propagation on user–item edges"),
    "graphsage": ModelEntry("gnn.models.graphsage:GraphSAGE", "gnn", "text-enriched heterogeneous GraphSAGE"),
    "sequence": ModelEntry("gnn.models.sequence:GraphSequence", "gnn", "graph item vectors, attention over events"),
    "gat": ModelEntry("gnn.models.gat:GAT", "gnn", "attention along every edge type", default=False),
    "rgcn": ModelEntry("gnn.models.rgcn:RGCN", "gnn", "a convolution per relation", default=False),
    "kgin": ModelEntry("gnn.models.kgin:KGIN", "gnn", "intents over knowledge relations", default=False),
    "xsimgcl": ModelEntry("gnn.models.xsimgcl:XSimGCL", "gnn", "noisy propagation, contrasted", default=False),
}

DEFAULT_MODELS = tuple(name for name, entry in MODELS.items() if entry.default)
"""What is fitted when nobody names models: quick on a small shop, and worth its time there."""

__all__ = ["DEFAULT_MODELS", "MODELS", "Model", "ModelConfig", "ModelEntry"]
