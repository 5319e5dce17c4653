"""ChatGPT's own export: conversations.json, or its newer pieces, with the images beside it."""
