"""`/v1/*` for any OpenAI client: a plain ASGI callable in front of conversation.gateway."""
