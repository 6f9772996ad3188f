"""The graph as clients see and change it: items and edges, neighbours, paths, persons, the shop's rules."""
