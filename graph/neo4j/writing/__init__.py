"""A batch as one transaction: what its rows become, worked out before anything is written."""
