"""A list of objects is cut into its objects, however its bytes come; what is no such list is noticed."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkmeter.importing.splitting import Malformed, ObjectSplitter, TooLong

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
LISTS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=5)


def split(pieces, longest=1 << 20):
    splitter = ObjectSplitter(longest)
    found = [each for piece in pieces for each in splitter.feed(piece)]
    splitter.finish()
    return found


def pieces_of(data, cuts):
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


@settings(deadline=None)
@given(LISTS, st.lists(st.integers(0, 10_000), max_size=8), st.booleans(), st.sampled_from([None, 1]))
def test_any_list_in_any_pieces(objects, cuts, ascii_only, indent):
    data = json.dumps(objects, ensure_ascii=ascii_only, indent=indent).encode(errors="surrogatepass")
    assert [json.loads(each) for each in split(pieces_of(data, cuts))] == json.loads(data)


@settings(deadline=None)
@given(LISTS, st.integers(0, 10_000))
def test_a_list_that_was_cut_off_is_never_taken_for_a_whole_one(objects, cut):
    data = json.dumps(objects).encode()
    with pytest.raises(Malformed):
        split([data[: cut % len(data)]])


def test_byte_by_byte_and_with_the_mark_of_windows():
    data = b'\xef\xbb\xbf \r\n[ {"a": "}\\"]\\\\"} ,\t{"b": [{}, "\\u005b"]} ]\n'
    assert split([data[at : at + 1] for at in range(3, len(data))]) == split([data])
    assert len(split([data])) == 2


@pytest.mark.parametrize(
    ("data", "position"),
    [
        (b"", 0),
        (b"{}", 0),
        (b"<html>", 0),
        (b"[1]", 1),
        (b"[{},]", 4),
        (b"[{} {}]", 4),
        (b"[{}][", 4),
        (b"[,{}]", 1),
        (b'[{"a": "b}]', 11),
    ],
)
def test_where_a_list_ceases_to_be_one(data, position):
    with pytest.raises(Malformed) as caught:
        split([data])
    assert caught.value.position == position


def test_an_object_may_only_have_so_many_bytes():
    data = json.dumps([{"a": "x" * 100}]).encode()
    assert len(split([data], longest=200)) == 1
    with pytest.raises(TooLong):
        split(pieces_of(data, [80]), longest=50)


def test_whether_an_object_is_sound_is_not_looked_at():
    assert split([b"[{]]"]) == [b"{]"]
