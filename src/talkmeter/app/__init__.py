"""The one place where everything is wired together, and where the server's life begins and ends."""
