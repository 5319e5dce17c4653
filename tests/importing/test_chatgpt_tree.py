"""A tree of messages becomes questions and answers; branches become siblings."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.chatgpt_export import conversation, multimodal, node, talk
from talkmeter.errors import BadInput
from talkmeter.importing.chatgpt.shapes import Conversation
from talkmeter.importing.chatgpt.tree import told


def tell(*nodes, current=None):
    made = msgspec.convert(conversation(*nodes), Conversation)
    return told(made.mapping, current or nodes[-1]["id"])


def shown(tree):
    return [(each.id, each.parent_id, each.asked, each.text) for each in tree.said]


def test_a_plain_talk():
    made = msgspec.convert(talk(), Conversation)
    tree = told(made.mapping, made.current_node)
    assert shown(tree) == [
        ("q1", None, True, "질문 1?"),
        ("a1", "q1", False, "Answer 1."),
        ("q2", "a1", True, "질문 2?"),
        ("a2", "q2", False, "Answer 2."),
    ]
    assert tree.leaf_id == "a2"
    assert [each.model for each in tree.said] == [None, "gpt-4o", None, "gpt-4o"]
    assert tree.said[0].began_at == 1_700_000_001_250_000
    assert not tree.system
    assert not tree.left_out


def test_edited_questions_and_regenerated_answers_are_siblings_in_their_order():
    tree = tell(
        node("q", None, "user", "one"),
        node("a", "q", "assistant", "first"),
        node("b", "q", "assistant", "second"),
        node("q2", None, "user", "edited"),
        node("c", "q2", "assistant", "third"),
        current="b",
    )
    assert shown(tree) == [
        ("q", None, True, "one"),
        ("a", "q", False, "first"),
        ("b", "q", False, "second"),
        ("q2", None, True, "edited"),
        ("c", "q2", False, "third"),
    ]
    assert tree.leaf_id == "b"


def test_the_order_of_siblings_is_the_parents_list():
    later, earlier = node("b", "q", "assistant", "later"), node("a", "q", "assistant", "earlier")
    made = conversation(node("q", None, "user", "one"), later, earlier)
    made["mapping"]["q"]["children"] = ["a", "b"]
    tree = told(msgspec.convert(made, Conversation).mapping, "b")
    assert [each.id for each in tree.said] == ["q", "a", "b"]


def test_what_an_answer_is_made_of_becomes_one_answer():
    tree = tell(
        node("q", None, "user", "plot it", at=10),
        node("t", "q", "assistant", content={"content_type": "thoughts", "thoughts": [{"content": "hm"}]}, at=11),
        node("c", "t", "assistant", content={"content_type": "code", "text": "print(1)"}, recipient="python", at=12),
        node("r", "c", "tool", content={"content_type": "execution_output", "text": "1\n"}, at=13),
        node("a", "r", "assistant", "It is 1.", at=14, model_slug="o3"),
        node("hidden", "a", "system", "", is_visually_hidden_from_conversation=True),
        node("q2", "hidden", "user", "thanks", at=20),
    )
    answer = tree.said[1]
    assert answer.text == "```python\nprint(1)\n```\n\n```text\n1\n```\n\nIt is 1."
    assert (answer.id, answer.parent_id, answer.model) == ("a", "q", "o3")
    assert (answer.began_at, answer.ended_at) == (12_000_000, 14_000_000)
    assert (tree.said[2].parent_id, tree.leaf_id) == ("a", "q2")
    assert dict(tree.left_out) == {"reasoning": 1}


def test_a_fork_within_an_answer_gives_two_answers_with_what_both_share():
    tree = tell(
        node("q", None, "user", "look it up"),
        node("s", "q", "assistant", "Let me see."),
        node("one", "s", "assistant", "One."),
        node("two", "s", "assistant", "Two."),
        node("next", "s", "user", "never mind"),
    )
    assert shown(tree) == [
        ("q", None, True, "look it up"),
        ("s", "q", False, "Let me see."),
        ("one", "q", False, "Let me see.\n\nOne."),
        ("two", "q", False, "Let me see.\n\nTwo."),
        ("next", "s", True, "never mind"),
    ]


def test_a_question_without_an_answer_and_an_answer_without_a_question():
    tree = tell(node("hello", None, "assistant", "Hi!"), node("q", "hello", "user", "a"), node("q2", "q", "user", "b"))
    assert shown(tree) == [("hello", None, False, "Hi!"), ("q", "hello", True, "a"), ("q2", "q", True, "b")]


def test_where_an_answer_stands_that_nobody_saw():
    tree = tell(
        node("q", None, "user", "a"),
        node("t", "q", "assistant", "call", recipient="web.run"),
        node("e", "t", "tool", ""),
    )
    assert (shown(tree), tree.leaf_id) == ([("q", None, True, "a")], "q")


def test_the_leaf_of_a_node_that_does_not_exist():
    assert tell(node("q", None, "user", "a"), current="gone").leaf_id is None


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        ({}, "complete"),
        ({"finish_details": {"type": "stop"}}, "complete"),
        ({"finish_details": {"type": "interrupted"}}, "stopped"),
        ({"status": "in_progress"}, "interrupted"),
    ],
)
def test_how_an_answer_ended(metadata, status):
    tree = tell(node("q", None, "user", "a"), node("a", "q", "assistant", "b", **metadata))
    assert tree.said[-1].status == status


def test_instructions_are_the_system_prompt():
    context = {
        "content_type": "user_editable_context",
        "user_profile": "The user said:\n```I bake.```",
        "user_instructions": "Be short.",
    }
    own = {"about_user_message": "I bake. ", "about_model_message": "Be short."}
    said = [node("q", "s", "user", "a")]
    assert tell(node("s", None, "system", "You are a baker."), *said).system == ["You are a baker."]
    assert tell(node("s", None, "user", content=context), *said).system == [
        "The user said:\n```I bake.```\n\nBe short."
    ]
    hidden = {"is_user_system_message": True, "is_visually_hidden_from_conversation": True}
    assert tell(node("s", None, "system", "", user_context_message_data=own, **hidden), *said).system == [
        "I bake.\n\nBe short."
    ]
    gone = "Original custom instructions no longer available"
    assert tell(node("s", None, "system", gone, **hidden), *said).system == []


def test_images_of_a_question_and_of_an_answer():
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_00aa#page"}
    tree = tell(
        node(
            "q",
            None,
            "user",
            content=multimodal(picture, "what is it?"),
            attachments=[{"id": "file_00aa", "name": "a.png"}],
        ),
        node(
            "t", "q", "tool", content=multimodal({**picture, "asset_pointer": "file-service://file-Zz9"}, "say no more")
        ),
        node("a", "t", "assistant", "Here."),
    )
    assert [[(p.asset, p.name) for p in each.pictures] for each in tree.said] == [
        [("file_00aa", "a.png")],
        [("file-Zz9", None)],
    ]
    assert [each.text for each in tree.said] == ["what is it?", "Here."]


@pytest.mark.parametrize(
    "nodes",
    [
        [node("a", "b", "user", "x"), node("b", "a", "assistant", "y")],
        [node("q", None, "user", "x"), node("a", "b", "user", "x"), node("b", "a", "assistant", "y")],
        [node("a", "a", "user", "x")],
    ],
)
def test_a_ring_is_no_tree(nodes):
    with pytest.raises(BadInput, match="ring"):
        tell(*nodes)


def test_a_very_long_talk_is_no_trouble():
    made = msgspec.convert(talk(turns=5_000), Conversation)
    assert len(told(made.mapping, made.current_node).said) == 10_000


ROLES = st.sampled_from(["user", "assistant", "tool", "system", "nothing"])


@settings(deadline=None)
@given(st.lists(st.tuples(ROLES, st.integers(0, 30)), min_size=1, max_size=25), st.integers(0, 24))
def test_any_tree(made, current):
    nodes = []
    for number, (role, above) in enumerate(made):
        parent = None if number == 0 or above > 28 else f"n{above % number}"
        nodes.append(node(f"n{number}", parent, None if role == "nothing" else role, f"text {number}"))
    tree = tell(*nodes, current=f"n{current % len(nodes)}")
    ids = [each.id for each in tree.said]
    assert len(set(ids)) == len(ids)
    for place, each in enumerate(tree.said):
        assert each.parent_id is None or each.parent_id in ids[:place]
    assert [each.id for each in tree.said if each.asked] != [] or not any(role == "user" for role, _ in made)
    assert {each.id for each in tree.said if each.asked} == {
        f"n{n}" for n, (role, _) in enumerate(made) if role == "user"
    }
    answers = [each.text for each in tree.said if not each.asked]
    for number, (role, _) in enumerate(made):
        if role == "assistant":
            assert any(f"text {number}" in text.split("\n\n") for text in answers), "nothing that was said is lost"
    assert tree.leaf_id is None or tree.leaf_id in ids
