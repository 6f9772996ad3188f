"""An MCP server over the HTTP API, so that an assistant can ask and, where allowed, edit."""

from __future__ import annotations

from api.mcp.server import mcp_server, run_stdio

__all__ = ["mcp_server", "run_stdio"]
