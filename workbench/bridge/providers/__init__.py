"""Providers that live elsewhere: the MAS orchestrator and n8n over HTTP, MCP servers, and what they share."""
