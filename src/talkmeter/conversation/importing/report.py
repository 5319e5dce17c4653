"""What an import took and what not, counted as it goes."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from talkmeter.conversation.importing.importer import Importer
from talkmeter.conversation.importing.values import Found, LeftOut, Note, Outcome, UnreadableConversation
from talkmeter.errors import BadInput, Conflict

NOTES_KEPT = 1000  # of what was not taken; a count says how many more there were


class Report:
    """conversations: by what became of them. left_out: by kind. unreadable, images_left_out: each with its reason."""

    def __init__(self) -> None:
        self.conversations: Counter[Outcome] = Counter()
        self.messages = 0
        self.images = 0
        self.left_out: Counter[LeftOut] = Counter()
        self.unreadable: list[Note] = []
        self.images_left_out: list[Note] = []
        self.unreadable_count = 0

    def add_unreadable(self, found: UnreadableConversation) -> None:
        self.unreadable_count += 1
        if len(self.unreadable) < NOTES_KEPT:
            self.unreadable.append(Note(found.name, found.error.message, found.error.message_ko))

    @property
    def count(self) -> int:
        """Conversations that have been looked at."""
        return self.conversations.total() + self.unreadable_count

    def as_object(self) -> dict[str, Any]:
        """For programs."""
        return {
            "conversations": {name: self.conversations[name] for name in ("new", "grown", "known", "empty")}
            | {"unreadable": self.unreadable_count},
            "messages": self.messages,
            "images": self.images,
            "left_out": dict(self.left_out),
            "unreadable": [_note(each) for each in self.unreadable],
            "images_left_out": [_note(each) for each in self.images_left_out],
        }


async def take_all(found: AsyncIterator[Found], importer: Importer, told: Callable[[Report], object]) -> Report:
    """Takes every conversation; one that cannot be taken is noted and the others go in.

    told: after each, with the report so far. Raises StoreError: what went in before stays, and a second run goes on.
    """
    report = Report()
    async for each in found:
        await _take(each, importer, report)
        told(report)
    return report


async def _take(found: Found, importer: Importer, report: Report) -> None:
    if isinstance(found, UnreadableConversation):
        report.add_unreadable(found)
        return
    try:
        taken = await importer.take(found)
    except (BadInput, Conflict) as error:
        report.add_unreadable(UnreadableConversation(found.title or found.id, error))
        return
    report.conversations[taken.outcome] += 1
    report.messages += taken.messages
    report.images += taken.images
    report.left_out.update(found.left_out)
    report.left_out["image"] += len(taken.notes)
    report.left_out["id"] += taken.id_lost
    report.left_out["empty"] += taken.outcome == "empty"
    room = NOTES_KEPT - len(report.images_left_out)
    report.images_left_out.extend(taken.notes[:room])


def _note(note: Note) -> dict[str, str]:
    return {"about": note.about, "why": note.why, "why_ko": note.why_ko}
