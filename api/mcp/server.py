"""The MCP server: the tools, and errors in the API's own words."""

from __future__ import annotations

from functools import wraps
from typing import Any

from api.client import AsyncKindred
from api.mcp.asking import Document, Tool, asking_tools
from api.mcp.editing import editing_tools
from graph.errors import KindredError, MissingExtra

INSTRUCTIONS = (
    "Kindred recommends items of a shop and shows the path in its graph that justifies each. Ids are opaque. "
    "Answers carry reasons: quote them rather than inventing your own."
)


def mcp_server(shop: AsyncKindred, *, edit: bool = False) -> Any:
    """An ``MCPServer`` whose tools ask ``shop``; it reaches nothing else, and what it may do is what its key may.

    With ``edit`` it also offers the tools that write, each marked as such.

    Raises:
        MissingExtra: without the extra ``mcp``.
    """
    try:
        from mcp.server.mcpserver import MCPServer
        from mcp_types import ToolAnnotations
    except ImportError as error:
        raise MissingExtra("the MCP SDK is not installed", remedy="pip install 'kindred[mcp]'") from error
    server = MCPServer("kindred", instructions=INSTRUCTIONS, log_level="WARNING")  # below, the log would name users
    reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    for tool in asking_tools(shop):
        server.tool(annotations=reads)(_in_its_words(tool))
    for tool in editing_tools(shop) if edit else ():
        destroys = tool.__name__ in ("put_item", "delete_item", "delete_edge")
        writes = ToolAnnotations(
            read_only_hint=False, destructive_hint=destroys, idempotent_hint=True, open_world_hint=False
        )
        server.tool(annotations=writes)(_in_its_words(tool))
    return server


def run_stdio(shop: AsyncKindred, *, edit: bool = False) -> None:
    """Serves on standard input and output until they close."""
    mcp_server(shop, edit=edit).run("stdio")


def _in_its_words(tool: Tool) -> Tool:
    """The tool, with a refusal of the API as the text of a tool error."""
    from mcp.server.mcpserver.exceptions import ToolError

    @wraps(tool)
    async def told(*args: Any, **kwargs: Any) -> Document:
        try:
            return await tool(*args, **kwargs)
        except KindredError as refused:
            raise ToolError(str(refused)) from refused

    return told
