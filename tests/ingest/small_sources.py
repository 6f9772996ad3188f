"""Small folders of the shapes that sources read, for more rooms than one."""

from __future__ import annotations

import gzip
from pathlib import Path


def write_files(folder: Path, **files: str) -> None:
    """Files by name, ``__`` for the dot, ``gz`` ones packed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name.replace("__", ".").replace("_DASH_", "-")
        if path.suffix == ".gz":
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text, encoding="utf-8")


def write_online_retail(folder: Path) -> None:
    """Eight invoice lines with the quirks of the real ones."""
    lines = [
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
        "536365,85123a,WHITE  HANGING HEARTS HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom",
        "536366,85123A,WHITE HANGING HEARTS HOLDER,2,2010-12-02 08:26:00,2.55,17850.0,United Kingdom",
        "536366,71053,GLASS LANTERN,1,2010-12-02 08:26:00,3.39,17850.0,United Kingdom",
        "C536367,71053,GLASS LANTERN,-1,2010-12-03 08:26:00,3.39,17850.0,United Kingdom",
        "536368,22086,PAPER CHAIN,3,2010-12-03 08:26:00,1.00,,France",
        "536369,POST,POSTAGE,1,2010-12-03 08:26:00,18.00,17850.0,France",
        "536370,71053,damaged,-5,2010-12-03 08:26:00,0,,United Kingdom",
    ]
    write_files(folder, online_retail__csv__gz="\n".join(lines))
