"""The history window, as the seed defines it."""

from hypothesis import given
from hypothesis import strategies as st

from talkmeter.conversation.titles import title_of
from talkmeter.conversation.window import cut_to_fit, cut_window, fitting, rows_for
from talkmeter.messages import ALL_MESSAGES, Message, TokenWindow


def message(name, text=None):
    role = "user" if name.startswith("q") else "assistant"
    return Message(
        id=name,
        room_id="r",
        parent_id=None,
        role=role,
        text=name if text is None else text,
        status="complete",
        created_at=0,
    )


BRANCH = [message(name) for name in ("q1", "a1", "q2", "a2", "q3")]


def names(messages):
    return [message.id for message in messages]


def test_the_seeds_examples():
    assert names(cut_window(BRANCH, 2).sent) == ["a2", "q3"]
    assert names(cut_window(BRANCH, 3).sent) == ["q2", "a2", "q3"]
    assert names(cut_window(BRANCH, 4).sent) == ["a1", "q2", "a2", "q3"]
    assert names(cut_window(BRANCH, 4).left_out) == ["q1"]
    assert names(cut_window(BRANCH, ALL_MESSAGES).sent) == names(BRANCH)
    assert names(cut_window(BRANCH, 1).sent) == ["q3"]


def test_an_answer_that_never_said_anything_is_not_sent_and_does_not_count():
    branch = [message("q1"), message("a1", ""), *BRANCH[2:]]
    assert names(cut_window(branch, 4).sent) == ["q1", "q2", "a2", "q3"]


@given(st.integers(1, 30), st.integers(0, 40))
def test_sent_and_left_out_are_the_branch_and_the_question_is_always_sent(length, window):
    branch = [message(f"{'aq'[(length - i) % 2]}{i}") for i in range(length)]
    cut = cut_window(branch, window)
    assert [*cut.left_out, *cut.sent] == branch
    assert cut.sent[-1] is branch[-1]
    assert len(cut.sent) == (length if window == ALL_MESSAGES else min(window, length))


def test_a_window_by_tokens_leaves_out_whole_exchanges():
    tokens = [5, 50, 5, 50, 5]
    assert names(cut_to_fit(BRANCH, tokens, 115).sent) == names(BRANCH)
    assert names(cut_to_fit(BRANCH, tokens, 114).sent) == ["q2", "a2", "q3"]  # a1 would fit, but without its question
    assert names(cut_to_fit(BRANCH, tokens, 59).left_out) == ["q1", "a1", "q2", "a2"]
    assert names(cut_to_fit(BRANCH, tokens, -9).sent) == ["q3"]  # the question is always sent


@given(st.lists(st.tuples(st.integers(1, 99), st.booleans()), min_size=1, max_size=30), st.integers(-50, 900))
def test_what_fits_is_the_most_that_begins_with_a_question(messages, limit):
    tokens, questions = [each[0] for each in messages], [each[1] for each in messages]
    sent = fitting(tokens, questions, limit)
    possible = [n for n in range(1, len(tokens) + 1) if questions[-n] and sum(tokens[-n:]) <= limit]
    assert sent == max(possible, default=1)


def test_rows_that_are_read_for_a_window():
    assert (rows_for(0), rows_for(5), rows_for(TokenWindow(tokens=100))) == (None, 30, 220)


def test_titles():
    assert title_of("\n\n  안녕하세요  \nzweite") == "안녕하세요"
    assert title_of(" \n ") == ""
    assert len(title_of("가" * 100)) == 60
    assert title_of("x" * 100).endswith("x…")
