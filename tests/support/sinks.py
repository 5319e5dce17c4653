"""Where a test has an answer streamed to."""


class Sink:
    """pieces: what it was given. full: how many it takes before it has no room; waited: how often that was asked for."""

    def __init__(self, full=None):
        self.pieces = []
        self.full = full
        self.waited = 0

    def take(self, data):
        self.pieces.append(data)
        return self.full is None or len(self.pieces) < self.full

    async def room(self):
        self.waited += 1


async def stream_through_read(answer, sink):
    """What completions.Answer says of `stream_to`, for an answer that can only be read."""
    while True:
        data = await answer.read()
        if not data or answer.ended:
            return data
        if not sink.take(data):
            await sink.room()
