"""What is kept of an answer under way can be read by nobody who has only the database."""

import pytest

from talkmeter.accounts.kept_texts import KeptTexts
from talkmeter.accounts.secrets import Sealer

KEY = b"k" * 32
TEXTS = ["하나 둘", "; sealed:; ", "\n\ud7a3\U0001f600", "x" * 10_000]


@pytest.fixture
def texts(tmp_path):
    return KeptTexts(Sealer(KEY, tmp_path / "key"))


def test_pieces_are_opened_in_their_order(texts):
    pieces = [texts.seal("call_1", text) for text in TEXTS]
    assert texts.open("call_1", "".join(pieces)) == "".join(TEXTS)
    assert not any(text in "".join(pieces) for text in TEXTS)
    assert texts.seal("call_1", "one") != texts.seal("call_1", "one")


def test_nothing_is_nothing(texts):
    assert texts.seal("call_1", "") == ""
    assert texts.open("call_1", "") == ""


def test_what_was_kept_in_clear_is_still_read(texts):
    assert texts.open("call_1", "hello there") == "hello there"


def test_of_another_entry_or_another_key_or_altered(texts, tmp_path):
    kept = texts.seal("call_1", "hello")
    assert texts.open("call_2", kept) is None
    assert KeptTexts(Sealer(b"x" * 32, tmp_path / "key")).open("call_1", kept) is None
    assert KeptTexts(Sealer(None, tmp_path / "key")).open("call_1", kept) is None
    for altered in ("sealed:?;", "sealed:;", kept[:-5] + ";", kept + "x"):
        assert texts.open("call_1", altered) is None


def test_the_first_text_makes_the_key(tmp_path):
    texts = KeptTexts(Sealer(None, tmp_path / "key"))
    kept = texts.seal("call_1", "hello")
    assert (tmp_path / "key").exists()
    assert texts.open("call_1", kept) == "hello"


def test_without_a_key_nothing_is_kept(tmp_path, caplog):
    (tmp_path / "key").write_text("somebody made one meanwhile")
    texts = KeptTexts(Sealer(None, tmp_path / "key"))
    assert [texts.seal("call_1", "hello") for _ in range(3)] == [""] * 3
    assert [record.message for record in caplog.records] == ["texts_not_kept"], "said once"
