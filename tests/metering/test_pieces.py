"""What is billed by characters or by pictures is told by the request and the answer; nothing else can be known."""

from types import SimpleNamespace

import pytest

from talkmeter.metering.billing import CHARACTERS
from talkmeter.metering.pieces import pieces_of


def asked(billing):
    return SimpleNamespace(billing=billing, characters=12, images=3)


def pieces(billing, *, complete=True, **tap):
    found = pieces_of(asked(billing), SimpleNamespace(**tap) if tap else None, complete=complete)
    usage = found.usage
    return None if usage is None else (usage.characters, usage.images), found.provenance


@pytest.mark.parametrize("complete", [True, False])
def test_characters_are_known_before(complete):
    assert pieces(CHARACTERS, complete=complete) == ((12, None), "counted")


def test_pictures_are_those_that_came():
    assert pieces("image:1024x1024", too_long=False, items=2) == ((None, 2), "counted")
    assert pieces("image:1024x1024", too_long=True, items=2) == ((None, 3), "counted"), "not read: as many as asked for"
    assert pieces("image:1024x1024", too_long=False, items=None) == (None, "unknown")
    assert pieces("image:1024x1024", complete=False, too_long=False, items=2) == (None, "unknown")


def test_nobody_knows_the_rest():
    assert pieces("image:1024x1024") == (None, "unknown")
    assert pieces("seconds", too_long=False, items=2) == (None, "unknown")
