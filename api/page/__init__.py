"""The server-rendered pages: plain HTML, nothing fetched from elsewhere, no script."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template
from typing import Any
from urllib.parse import quote

import msgspec

from api.serving import ReleaseRow

FIGURES = ("recall@20", "ndcg@20", "hr@10")


def index_page(
    *,
    release_id: str | None,
    trained_at: str | None,
    trouble: str | None,
    stale: bool,
    rows: list[ReleaseRow],
    user_id: str | None,
    item_id: str | None,
) -> str:
    """The start page: what is live, the gate's verdicts, and queries to try."""
    if release_id is None:
        status = f'<p class="warn">{escape(trouble or "Not ready.")}</p>'
    else:
        status = (
            f"<p>Answers come from release <code>{escape(release_id)}</code>, trained {escape(trained_at or '')}.</p>"
        )
    if stale and release_id is not None:
        status += '<p class="warn">The graph store cannot be read: the newest changes may be missing.</p>'
    return _template("index.html").substitute(
        status=status, releases=_release_table(rows), examples=_examples(user_id, item_id)
    )


def docs_page(description: dict[str, Any]) -> str:
    """Every route with its parameters, from the OpenAPI description."""
    parts = []
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>")
            parts.append(_parameter_table(operation.get("parameters", [])))
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if "$ref" in body:
                shape = description["components"]["schemas"][body["$ref"].rsplit("/", 1)[-1]]
                parts.append(f"<p>Body:</p><pre><code>{escape(_pretty(shape))}</code></pre>")
    return _template("docs.html").substitute(routes="\n".join(parts))


def _release_table(rows: list[ReleaseRow]) -> str:
    if not rows:
        return "<p>None yet: run <code>kindred ingest</code>, then <code>kindred train</code>.</p>"
    lines = [
        f"<tr><td><code>{escape(row.release)}</code>{' (current)' if row.current else ''}</td>"
        f"<td>{escape(row.trained_at)}</td><td>{escape(_verdict(row.gate))}</td></tr>"
        for row in rows
    ]
    releases = "<table><tr><th>release</th><th>trained</th><th>gate</th></tr>" + "\n".join(lines) + "</table>"
    return releases + "".join(_figures(row.metrics) for row in rows if row.current)


def _verdict(gate: Any) -> str:
    """The gate's sentence; a release written by other code than ours may have anything there, or nothing."""
    return str(gate["sentence"]) if isinstance(gate, dict) and "sentence" in gate else _compact(gate)


def _figures(evaluation: Any) -> str:
    """How the models of the live release compared, best first on validation."""
    table = evaluation.get("table") if isinstance(evaluation, dict) else None
    if not table:
        return ""
    heads = "".join(f"<th>{name}</th>" for name in ("model", *FIGURES, "measured on", ""))
    lines = [
        f"<tr><td>{escape(str(row.get('model')))}</td>"
        + "".join(f"<td>{row[name]:.4f}</td>" if name in row else "<td></td>" for name in FIGURES)
        + f"<td>{escape(str(row.get('measured_on', '')))}</td><td>{'served' if row.get('served') else ''}</td></tr>"
        for row in table
    ]
    protocol = escape(str(evaluation.get("protocol", "")))
    return f"<h2>Evaluation of the live release</h2><p>Protocol: {protocol}.</p><table><tr>{heads}</tr>" + (
        "\n".join(lines) + "</table>"
    )


def _examples(user_id: str | None, item_id: str | None) -> str:
    paths = ["/v1/trending?n=5", "/v1/users/a-newcomer/recommendations?n=5"]
    if user_id is not None:
        paths.append(f"/v1/users/{quote(user_id, safe='')}/recommendations?n=5&include=reasons")
    if item_id is not None:
        paths.append(f"/v1/items/{quote(item_id, safe='')}/related?n=5&include=reasons,properties")
        paths.append(f"/v1/items/{quote(item_id, safe='')}/related?kind=bought_together&n=5")
    links = [f'<li><a href="{escape(path)}">{escape(path)}</a></li>' for path in paths]
    return "<ul>" + "\n".join(links) + "</ul>"


def _parameter_table(parameters: list[dict[str, Any]]) -> str:
    if not parameters:
        return ""
    lines = [
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}</td>"
        f"<td>{escape(_compact(parameter['schema']))}</td></tr>"
        for parameter in parameters
    ]
    return "<table>" + "\n".join(lines) + "</table>"


def _compact(document: object) -> str:
    return "" if document is None else msgspec.json.encode(document).decode()


def _pretty(document: object) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _template(name: str) -> Template:
    return Template(files("api.page").joinpath(name).read_text(encoding="utf-8"))
