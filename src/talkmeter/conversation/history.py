"""The messages that go out with a question: read, counted where the window goes by tokens, and cut."""

import asyncio
from collections.abc import Sequence

from talkmeter.conversation.counting import Counting, frame
from talkmeter.conversation.store import ConversationStore
from talkmeter.conversation.window import Cut, cut_to_fit, cut_window, rows_for, sendable
from talkmeter.messages import ALL_MESSAGES, Message, RoomSettings, TokenWindow


class History:
    def __init__(self, store: ConversationStore, counting: Counting) -> None:
        self._store = store
        self._counting = counting

    async def cut(self, question_id: str, settings: RoomSettings) -> Cut:
        """The branch up to a question, cut by the window. settings: resolved, with a model."""
        window = settings.window if settings.window is not None else ALL_MESSAGES
        branch = await self._store.branch(question_id, rows_for(window))
        if isinstance(window, TokenWindow):
            return await asyncio.to_thread(self._cut_to_fit, sendable(branch), settings, window.tokens)
        return cut_window(branch, window)

    def _cut_to_fit(self, messages: Sequence[Message], settings: RoomSettings, most: int) -> Cut:
        model = settings.model or ""
        tokens = [count.total for count in self._counting.messages(messages, model)]
        return cut_to_fit(messages, tokens, most - frame(settings, model))
