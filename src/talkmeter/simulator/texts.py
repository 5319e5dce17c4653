"""The form of the simulator's texts; texts_en and texts_ko fill it."""

import msgspec


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the simulator can say in one language, as Markdown.

    openings: how a plain answer begins, with {question}. bodies: what it goes on with. disclaimer: says
    where the answer comes from. sections: by topic. prose: filling for long texts, sentences of equal
    rank. heading: of a chapter of a long text, with {number}. images: with {count}.
    """

    openings: tuple[str, ...]
    bodies: tuple[str, ...]
    disclaimer: str
    sections: dict[str, str]
    prose: tuple[str, ...]
    heading: str
    images: str
    json_note: str
