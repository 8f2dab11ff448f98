"""Cameras as tools of the Model Context Protocol (MCP), for agents: over stdin and stdout, and at ``/mcp``."""
