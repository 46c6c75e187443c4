"""PersonaPlex as vLLM-Omni serves it, over its full-duplex Realtime WebSocket."""
