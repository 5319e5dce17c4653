"""The connections to one host: kept while they are young, the last one used first, no more than may be."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from talkmeter.providers.http.connection import Connection, Keeper
from talkmeter.providers.http.failures import all_busy, not_reached, unreachable
from talkmeter.providers.http.timeouts import Timeouts

KEEP_ALIVE_SECONDS = 30.0


class Pool:
    """connect: makes a connection for this keeper. where: for messages. most: connections at a time."""

    def __init__(self, connect: Callable[[Keeper], Awaitable[Connection]], where: str, most: int) -> None:
        self._connect = connect
        self._where = where
        self._most = most
        self._open: set[Connection] = set()
        self._connecting = 0
        self._idle: dict[Connection, None] = {}  # in the order in which they became so
        # Whoever waits gets a connection, or None: leave to make one. First come, first served.
        self._turns: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False

    def __repr__(self) -> str:
        return f"Pool({self._where}, {len(self._open)} open, {len(self._idle)} idle, {len(self._turns)} waiting)"

    def idle(self) -> Connection | None:
        """One that may be written to, if there is any; those that the upstream has closed meanwhile are dropped."""
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.usable:
                return connection
            connection.abort()
        return None

    async def take(self, timeouts: Timeouts) -> Connection:
        """A connection for one call. It comes back by itself. Raises UpstreamNotReached."""
        connection = self.idle()
        if connection is None and len(self._open) + self._connecting >= self._most:
            connection = await self._wait_for_turn(timeouts.turn)
            if connection is not None and not connection.usable:
                self._connecting += 1  # its place is ours
                connection.abort()
                connection = None
        elif connection is None:
            self._connecting += 1
        return connection or await self._make(timeouts.connect)

    def close(self) -> None:
        """Ends every connection, calls under way included."""
        self._closed = True
        for connection in tuple(self._open):
            connection.fail("it was closed")

    # --- for connections

    def free(self, connection: Connection) -> None:
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        self._idle[connection] = None
        connection.wake_at(KEEP_ALIVE_SECONDS)

    def gone(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._idle.pop(connection, None)
        self._offer_place()

    # --- places

    def _offer_place(self) -> None:
        while self._turns and len(self._open) + self._connecting < self._most:
            turn = self._turns.popleft()
            if not turn.done():
                self._connecting += 1
                turn.set_result(None)

    async def _wait_for_turn(self, seconds: float) -> Connection | None:
        """A connection, or None with a place of ours among those that are being made."""
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            async with asyncio.timeout(seconds):
                return await turn
        except TimeoutError:
            self._give_back(turn)
            raise all_busy(self._where, self._most) from None
        except BaseException:
            self._give_back(turn)
            raise

    def _give_back(self, turn: asyncio.Future[Connection | None]) -> None:
        if not turn.done() or turn.cancelled():
            turn.cancel()
            return
        connection = turn.result()
        if connection is None:
            self._connecting -= 1
            self._offer_place()
        else:
            self.free(connection)

    async def _make(self, seconds: float) -> Connection:
        """Into a place that is ours already."""
        try:
            async with asyncio.timeout(seconds):
                connection = await self._connect(self)
        except (OSError, ValueError) as error:
            failure = unreachable(error, self._where, seconds)
        else:
            if self._closed:
                connection.abort()
                raise not_reached(self._where, "Talkmeter is ending", "Talkmeter가 종료되는 중입니다")
            if connection.gone:
                raise not_reached(self._where, "it closed the connection at once", "연결이 바로 닫혔습니다")
            self._open.add(connection)
            return connection
        finally:
            self._connecting -= 1
            self._offer_place()
        raise failure
