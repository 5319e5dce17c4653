"""Tokens per message, remembered: a message never changes, so a window is counted by adding up."""

from collections import OrderedDict
from collections.abc import Sequence

from talkmeter.conversation.requests import opening, wire_message
from talkmeter.messages import Message, RoomSettings
from talkmeter.metering.tokens import MessageCount, frame_tokens, message_tokens

REMEMBERED = 50_000  # message counts, about 10 MB


class Counting:
    """Counts messages without their images' bytes: the stored width and height are enough."""

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, str], MessageCount] = OrderedDict()

    def message(self, message: Message, model: str) -> MessageCount:
        """A message that is still being written is counted as it stands and not remembered."""
        key = (message.id, model)
        known = self._counts.get(key)
        if known is not None:
            return known
        count = count_message(message, model)
        if message.status not in ("queued", "streaming"):
            self._counts[key] = count
            if len(self._counts) > REMEMBERED:
                self._counts.popitem(last=False)
        return count

    def messages(self, messages: Sequence[Message], model: str) -> list[MessageCount]:
        return [self.message(message, model) for message in messages]


def count_message(message: Message, model: str) -> MessageCount:
    sizes = {attachment.id: (attachment.width, attachment.height) for attachment in message.attachments}
    wire = wire_message(message, {attachment.id: attachment.id for attachment in message.attachments})
    return message_tokens(wire, model, image_size=sizes.get)


def frame(settings: RoomSettings, model: str) -> int:
    """Tokens around the messages: what opens the answer, and what opens every request."""
    before = opening(settings.system_prompt, settings.first_prompt)
    return frame_tokens(model) + sum(message_tokens(each, model).total for each in before)
