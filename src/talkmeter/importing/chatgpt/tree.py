"""The tree of an export's messages as questions and answers. Pure.

Between two questions there may be any number of messages: all that were seen become one answer. Where the tree forks
on the way, each end is an answer of its own, with what was said before the fork in all of them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from talkmeter.conversation.importing.values import HowEnded, LeftOut
from talkmeter.importing.chatgpt.pieces import Picture, Piece, piece_of
from talkmeter.importing.chatgpt.shapes import Message, Metadata, Node
from talkmeter.importing.source import not_understood
from talkmeter.importing.times import from_seconds


class Said(Struct, frozen=True, kw_only=True):
    """A question or an answer. id: of the node at its end. Times in µs; None where the export has none."""

    id: str
    parent_id: str | None
    asked: bool
    text: str
    pictures: tuple[Picture, ...]
    model: str | None
    status: HowEnded
    began_at: int | None
    ended_at: int | None


class Told(Struct, frozen=True):
    """said: each after its parent. leaf_id: where the current node stands. system: parts of the system prompt."""

    said: Sequence[Said]
    leaf_id: str | None
    system: Sequence[str]
    left_out: Mapping[LeftOut, int]


class Link(Struct, frozen=True, eq=False):
    """The answer so far, from its end: shared by all branches that go on from it."""

    node_id: str
    piece: Piece
    message: Message
    before: "Link | None"


class Step(Struct, frozen=True, eq=False):
    """kept: the question or answer that what comes now belongs under."""

    node_id: str
    kept: str | None
    link: Link | None


def told(nodes: Mapping[str, Node], current: str | None) -> Told:
    """Raises BadInput if the nodes are no tree."""
    children, roots = _children(nodes)
    pieces = {node_id: piece_of(node.message) for node_id, node in nodes.items()}
    questions = {node_id for node_id, node in nodes.items() if _asks(node.message) and pieces[node_id]}
    said: dict[str, Said] = {}
    shown_at: dict[str, str | None] = {}
    system: dict[str, None] = {}
    left_out: Counter[LeftOut] = Counter()
    waiting = [Step(root, None, None) for root in reversed(roots)]
    while waiting:
        step = waiting.pop()
        message, piece = nodes[step.node_id].message, pieces[step.node_id]
        left_out.update(piece.left_out)
        if piece.system:
            system[piece.system] = None
        after = children.get(step.node_id, [])
        link, kept = step.link, step.kept
        if message is not None and step.node_id in questions:
            said[step.node_id] = _said(step.node_id, kept, [(message, piece)], asked=True)
            link, kept = None, step.node_id
        elif message is not None and piece:
            link = Link(step.node_id, piece, message, link)
        answered = kept
        if link is not None and (not after or not questions.isdisjoint(after)):
            answered = link.node_id
            said.setdefault(answered, _said(answered, kept, _chain(link), asked=False))
        shown_at[step.node_id] = answered
        waiting += [
            Step(each, answered, None) if each in questions else Step(each, kept, link) for each in reversed(after)
        ]
    if len(shown_at) != len(nodes):  # no root leads to the others
        raise not_understood("Its messages form a ring.", "메시지들이 고리를 이룹니다.")
    leaf_id = shown_at.get(current or "")
    return Told(list(said.values()), leaf_id, list(system), left_out)


def _children(nodes: Mapping[str, Node]) -> tuple[dict[str, list[str]], list[str]]:
    """By parent in the export's order, and those without a parent."""
    children: dict[str, list[str]] = {}
    roots = []
    for node_id, node in nodes.items():
        if node.parent is None or node.parent not in nodes:
            roots.append(node_id)
        else:
            children.setdefault(node.parent, []).append(node_id)
    for parent, some in children.items():
        order = {each: place for place, each in enumerate(nodes[parent].children or ())}
        some.sort(key=lambda each: order.get(each, len(order)))
    return children, roots


def _asks(message: Message | None) -> bool:
    return message is not None and message.author.role == "user"


def _chain(link: Link) -> list[tuple[Message, Piece]]:
    def backwards(at: Link | None) -> Iterator[tuple[Message, Piece]]:
        while at is not None:
            yield at.message, at.piece
            at = at.before

    return list(backwards(link))[::-1]


def _said(node_id: str, parent_id: str | None, pieces: Sequence[tuple[Message, Piece]], *, asked: bool) -> Said:
    pictures = {each.asset: each for _, piece in pieces for each in piece.pictures}
    models = [(message.metadata or Metadata()).model_slug for message, _ in pieces]
    times = [at for message, _ in pieces if (at := from_seconds(message.create_time)) is not None]
    return Said(
        id=node_id,
        parent_id=parent_id,
        asked=asked,
        text="\n\n".join(piece.text for _, piece in pieces if piece.text),
        pictures=tuple(pictures.values()),
        model=None if asked else next((each for each in reversed(models) if isinstance(each, str) and each), None),
        status="complete" if asked else _ended(pieces[-1][0]),
        began_at=times[0] if times else None,
        ended_at=times[-1] if times else None,
    )


def _ended(message: Message) -> HowEnded:
    details = (message.metadata or Metadata()).finish_details
    if isinstance(details, dict) and details.get("type") == "interrupted":
        return "stopped"
    return "interrupted" if message.status == "in_progress" else "complete"
