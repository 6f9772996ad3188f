"""Validation: cells, conditions and typed values over batches of rows, every fault with its reason."""
