"""What scores items, as the graph stands now: learned at its size, curated fitted afresh, new items folded in."""
