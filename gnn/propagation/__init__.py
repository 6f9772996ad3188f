"""Message passing: the graph in PyG's words, and what passes along its edges."""
