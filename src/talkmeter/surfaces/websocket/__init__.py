"""The WebSocket door: plain-text dialects for conversations, and OpenAI's Responses mode for programs."""
