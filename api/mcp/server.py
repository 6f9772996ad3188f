"""The MCP server: the tools, and errors in the API's own words."""

from __future__ import annotations

from functools import wraps
from typing import Any

from api.client import AsyncKindred
from api.mcp.asking import Document, Tool, asking_tools
from graph.errors import KindredError, MissingExtra

INSTRUCTIONS = (
    "Kindred recommends items of a shop and shows the path in its graph that justifies each. Ids are opaque. "
    "Answers carry reasons: quote them rather than inventing your own."
)


def mcp_server(shop: AsyncKindred) -> Any:
    """An ``MCPServer`` whose tools ask ``shop``; it reaches nothing else, and what it may do is what its key may.

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
    return server


def run_stdio(shop: AsyncKindred) -> None:
    """Serves on standard input and output until they close."""
    mcp_server(shop).run("stdio")


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
