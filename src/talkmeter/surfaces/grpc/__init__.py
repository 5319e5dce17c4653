"""The gRPC door: the conversation service `chat.Chat`, and `talkmeter.v1.Conversations`."""
