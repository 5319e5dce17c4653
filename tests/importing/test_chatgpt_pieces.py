"""What is seen of one message of an export, and what is left out, by kind."""

import json

import msgspec
import pytest

from support.chatgpt_export import multimodal, node
from talkmeter.importing.chatgpt.marks import without_marks
from talkmeter.importing.chatgpt.pieces import Picture, Piece, piece_of
from talkmeter.importing.chatgpt.shapes import Message


def piece(role, text=None, **more):
    return piece_of(msgspec.convert(node("n", None, role, text, **more)["message"], Message))


def canvas(**made):
    return {"content_type": "code", "language": "unknown", "text": json.dumps(made)}


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("hello", ("assistant", "hello", {})),
        (
            "```sql\nSELECT 1\n```",
            ("assistant", None, {"content": {"content_type": "code", "language": "sql", "text": "SELECT 1\n"}}),
        ),
        (
            "````\na ``` b\n````",
            ("assistant", None, {"content": {"content_type": "code", "language": "no word", "text": "a ``` b"}}),
        ),
        ("", ("assistant", None, {"content": {"content_type": "code", "language": "sql", "text": " "}})),
        (
            "# Plan\n",
            (
                "assistant",
                None,
                {
                    "content": canvas(name="p", type="document", content="# Plan\n"),
                    "recipient": "canmore.create_textdoc",
                },
            ),
        ),
        (
            "```python\nx = 1\n```",
            (
                "assistant",
                None,
                {"content": canvas(type="code/python", content="x = 1"), "recipient": "canmore.create_textdoc"},
            ),
        ),
        (
            "spoken\n\nwritten",
            (
                "user",
                None,
                {"content": multimodal({"content_type": "audio_transcription", "text": "spoken"}, "written")},
            ),
        ),
        ("```text\n2\n```", ("tool", None, {"content": {"content_type": "execution_output", "text": "2"}})),
        ("a plain text", ("user", None, {"content": {"content_type": "text", "text": "a plain text"}})),
    ],
    ids=lambda value: value[:9].strip() if isinstance(value, str) else "",
)
def test_what_is_seen(text, given):
    role, said, more = given
    assert piece(role, said, **more) == Piece(text)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("hidden", ("user", "secret", {"is_visually_hidden_from_conversation": True})),
        (
            "reasoning",
            ("assistant", None, {"content": {"content_type": "reasoning_recap", "content": "Thought for 3 s"}}),
        ),
        ("tool", ("assistant", "search('x')", {"recipient": "browser"})),
        ("tool", ("assistant", None, {"content": canvas(updates=[1]), "recipient": "canmore.update_textdoc"})),
        ("tool", ("assistant", "not JSON", {"recipient": "canmore.create_textdoc"})),
        ("tool", ("assistant", "[1]", {"recipient": "canmore.create_textdoc"})),
        ("tool", ("tool", None, {"content": {"content_type": "tether_quote", "url": "u", "text": "a page"}})),
        ("tool", ("tool", None, {"content": {"content_type": "sonic_webpage", "text": "a page"}})),
        ("file", ("user", "", {"attachments": [{"id": "file-1", "name": "a.pdf"}, {"no": "id"}, 7]})),
        ("sound", ("user", None, {"content": multimodal({"content_type": "audio_asset_pointer"})})),
        ("part", ("user", None, {"content": multimodal({"content_type": "new kind"}, None)})),
        (
            "part",
            ("user", None, {"content": multimodal({"content_type": "image_asset_pointer", "asset_pointer": "x:1"})}),
        ),
    ],
)
def test_what_is_left_out(kind, given):
    role, said, more = given
    assert piece(role, said, **more) == Piece(left_out=(kind,))


def test_what_was_hidden_and_says_nothing_is_not_worth_a_line():
    assert piece("system", "", is_visually_hidden_from_conversation=True) == Piece()
    assert piece_of(None) == Piece()
    assert piece_of(Message()) == Piece()


def test_a_program_that_draws():
    drawn = {
        "messages": [{"message_type": "image", "image_url": "file-service://file-Ab1"}, {"message_type": "stream"}]
    }
    output = {"content_type": "execution_output", "text": ""}
    assert piece("tool", content=output, aggregate_result=drawn) == Piece(pictures=(Picture("file-Ab1"),))
    assert piece("tool", content=output, aggregate_result=["?"]) == Piece()


def test_the_same_image_twice_is_one():
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-A"}
    assert piece("user", content=multimodal(picture, picture)) == Piece(pictures=(Picture("file-A"),))


CITE = "\ue200cite\ue202turn0search1\ue201"


@pytest.mark.parametrize(
    ("text", "references", "shown"),
    [
        ("plain 【1†source】", None, "plain 【1†source】"),
        (f"It rains{CITE}.", None, "It rains."),
        (
            f"It rains{CITE}.",
            [{"matched_text": CITE, "alt": " ([kma](https://kma.go.kr))"}],
            "It rains ([kma](https://kma.go.kr)).",
        ),
        (f"It rains{CITE}.", [{"matched_text": CITE, "alt": None}, {"matched_text": " ", "alt": "!"}, 5], "It rains."),
        ('in \ue200entity\ue202["city","서울","capital"]\ue201!', [], "in 서울!"),
        ('in \ue200entity\ue202["city"]\ue201!', [], "in !"),
        ('in \ue200entity\ue202["city",5]\ue201!', [], "in !"),
        ("cut off \ue200cite\ue202turn", [], "cut off citeturn"),
    ],
)
def test_marks_for_another_page(text, references, shown):
    assert without_marks(text, references) == shown
    assert piece("assistant", text, content_references=references).text == shown
