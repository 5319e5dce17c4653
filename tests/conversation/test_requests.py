"""What goes upstream of a message with images."""

import pytest

from support.store_values import a_message, a_room, an_attachment
from talkmeter.conversation.counting import count_message
from talkmeter.conversation.requests import images_sent, wire_message
from talkmeter.conversation.window import cut_window

ROOM = a_room()
PICTURE = an_attachment(id="file_1", width=64, height=64)


def test_a_questions_images_are_sent():
    question = a_message(ROOM, text="look", attachments=(PICTURE,))
    assert images_sent(question) == (PICTURE,)
    (text, image) = wire_message(question, {"file_1": "data:,x"})["content"]
    assert (text["text"], image["image_url"]["url"]) == ("look", "data:,x")


@pytest.mark.parametrize("text", ["here", ""])
def test_an_answers_images_are_neither_sent_nor_counted(text):
    """OpenAI refuses images in what the assistant says."""
    question = a_message(ROOM, text="draw")
    answer = a_message(ROOM, question, text=text, attachments=(PICTURE,))
    assert images_sent(answer) == ()
    assert wire_message(answer, {}) == {"role": "assistant", "content": text}
    plain = a_message(ROOM, question, text=text)
    assert count_message(answer, "gpt-4o") == count_message(plain, "gpt-4o")
    then = a_message(ROOM, answer, text="more")
    assert len(cut_window([question, answer, then], 0).sent) == (3 if text else 2)
