"""The Python client: ``from api.client import Kindred`` (or ``AsyncKindred``).

>>> from api.client import Kindred
>>> with Kindred("http://127.0.0.1:8000", api_key="kindred_…") as shop:  # doctest: +SKIP
...     for item in shop.recommendations("user-1", n=5, include=("reasons",)).items:
...         print(item.rank, item.item_id, item.reasons)
"""

from __future__ import annotations

from api.client.asking import AsyncKindred, Kindred
from api.client.errors import ApiProblem, Unreachable
from api.client.retries import Retries

__all__ = ["ApiProblem", "AsyncKindred", "Kindred", "Retries", "Unreachable"]
