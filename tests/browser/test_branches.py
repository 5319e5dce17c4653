"""Editing a question and answering again make siblings; nothing is overwritten."""

import asyncio
import re

from playwright.async_api import Locator, Route, expect

from support.chat_page import ChatPage, OpenPage


def versions(message: Locator) -> Locator:
    return message.get_by_role("group", name="Versions")


async def edit(chat: ChatPage, index: int, text: str) -> None:
    question = chat.questions.nth(index)
    await question.hover()
    await question.get_by_role("button", name="Edit question").click()
    await question.get_by_role("textbox").fill(text)
    await question.get_by_role("button", name="Send").click()


async def test_an_edited_question_is_a_sibling_and_both_can_be_had(chat: ChatPage) -> None:
    await chat.asked("say: the first answer")
    await chat.asked("say: what came after the first")
    await edit(chat, 0, "say: the other answer")
    await expect(chat.questions).to_have_count(1)
    await expect(chat.words()).to_have_text("the other answer")
    await expect(versions(chat.questions.nth(0))).to_contain_text("2/2")
    await chat.shot("edited")
    await versions(chat.questions.nth(0)).get_by_role("button", name="Previous version").click()
    await expect(chat.questions).to_have_count(2)
    await expect(chat.bubble(0)).to_have_text("say: the first answer")
    await expect(chat.words(1)).to_have_text("what came after the first")
    await expect(versions(chat.questions.nth(0))).to_contain_text("1/2")
    await chat.page.reload()
    await expect(chat.questions).to_have_count(2)
    await versions(chat.questions.nth(0)).get_by_role("button", name="Next version").click()
    await expect(chat.questions).to_have_count(1)
    await expect(chat.words()).to_have_text("the other answer")
    first, second = (await chat.messages())[0]["siblings"]
    assert first != second


async def test_an_edit_can_be_given_up_with_escape(chat: ChatPage) -> None:
    await chat.asked("say: stays as it is")
    question = chat.questions.nth(0)
    await question.hover()
    await question.get_by_role("button", name="Edit question").click()
    await question.get_by_role("textbox").fill("something else")
    await question.get_by_role("textbox").press("Escape")
    await expect(chat.bubble()).to_have_text("say: stays as it is")
    assert len(await chat.messages()) == 2


async def test_answering_again_makes_a_sibling_of_the_answer(chat: ChatPage, open_page: OpenPage) -> None:
    await chat.asked("Tell me about tokens")
    first = (await chat.messages())[-1]
    await chat.answer().get_by_role("button", name="Answer again").click()
    await expect(versions(chat.answer())).to_contain_text("2/2")
    await expect(chat.finished).to_have_count(1)
    second = (await chat.messages())[-1]
    assert second["siblings"] == [first["id"], second["id"]]
    assert second["figures"]["entry_id"] != first["figures"]["entry_id"]
    totals = (await chat.room())["totals"]
    assert totals["calls"] == 2
    await expect(chat.page.locator("header button.totals")).to_have_text(
        re.compile(rf"^{totals['prompt_tokens'] + totals['completion_tokens']:,} tokens")
    )
    await versions(chat.answer()).get_by_role("button", name="Previous version").click()
    await expect(versions(chat.answer())).to_contain_text("1/2")
    await expect(chat.page.locator(f"[data-turn={first['id']}]")).to_be_visible()
    # Another browser opens the room on the branch that was chosen last.
    other = await open_page(f"/room/{chat.room_id}")
    await expect(versions(other.answer())).to_contain_text("1/2")


async def test_the_control_of_versions_stays_where_it_is(chat: ChatPage) -> None:
    async def top() -> float:
        box = await versions(chat.questions.nth(0)).bounding_box()
        assert box is not None
        return box["y"]

    await chat.asked("say: one\n\n" + "\n\n".join(f"line {n}" for n in range(12)))
    await edit(chat, 0, "say: two\n\n" + "\n\n".join(f"line {n}" for n in range(60)))
    await expect(versions(chat.questions.nth(0))).to_contain_text("2/2")
    await expect(chat.finished).to_have_count(1)
    await versions(chat.questions.nth(0)).get_by_role("button", name="Previous version").click()
    await expect(versions(chat.questions.nth(0))).to_contain_text("1/2")
    before = await top()
    following = versions(chat.questions.nth(0)).get_by_role("button", name="Next version")
    await expect(following).to_be_focused()
    await following.press("Enter")
    await expect(versions(chat.questions.nth(0))).to_contain_text("2/2")
    await chat.page.wait_for_timeout(300)  # whatever moves the view has moved it
    assert abs(await top() - before) < 2


async def test_answering_again_is_asked_once_however_often_it_is_pressed(chat: ChatPage) -> None:
    await chat.asked("Tell me about tokens once more")
    held: list[Route] = []
    first_held = asyncio.Event()

    async def hold(route: Route) -> None:
        held.append(route)
        first_held.set()

    await chat.page.route("**/api/messages/*/answer", hold)
    again = chat.answer().get_by_role("button", name="Answer again")
    await again.dblclick()
    await again.click()
    await first_held.wait()
    for route in held:
        await route.continue_()
    await expect(versions(chat.answer())).to_contain_text("2/2")
    await expect(chat.finished).to_have_count(1)
    assert len(held) == 1
    assert (await chat.room())["totals"]["calls"] == 2


async def test_a_question_goes_on_from_the_branch_in_view(chat: ChatPage) -> None:
    await chat.asked("say: alpha")
    await edit(chat, 0, "say: beta")
    await expect(chat.words()).to_have_text("beta")
    await expect(chat.finished).to_have_count(1)
    await versions(chat.questions.nth(0)).get_by_role("button", name="Previous version").click()
    await expect(chat.words()).to_have_text("alpha")
    await chat.asked("say: gamma")
    sent = [message["excerpt"] for message in (await chat.entry())["sent"]]
    assert sent == ["say: alpha", "alpha", "say: gamma"]


async def test_rename_pin_and_delete_a_room(chat: ChatPage) -> None:
    await chat.asked("say: a room to manage")
    room = chat.room_id
    header = chat.page.locator("main header")
    await header.get_by_role("button", name=re.compile("^Options for")).click()
    await chat.page.get_by_role("menuitem", name="Rename").click()
    dialog = chat.page.get_by_role("dialog", name="Rename conversation")
    await dialog.get_by_role("textbox").fill("장부 정리")
    await dialog.get_by_role("textbox").press("Enter")
    await expect(chat.page.locator("header h1")).to_have_text("장부 정리")
    row = chat.page.locator("nav.sidebar li", has=chat.page.get_by_role("link", name="장부 정리"))
    await row.hover()
    await row.get_by_role("button", name=re.compile("^Options for")).click()
    await chat.page.get_by_role("menuitem", name="Pin").click()
    await expect(chat.page.locator("nav.sidebar").get_by_role("heading", name="Pinned")).to_be_visible()
    assert (await chat.room())["room"]["pinned"]
    entry = (await chat.entry())["entry_id"]
    await header.get_by_role("button", name=re.compile("^Options for")).click()
    await chat.page.get_by_role("menuitem", name="Delete").click()
    await chat.page.get_by_role("button", name="Delete conversation").click()
    await expect(chat.page).to_have_url(f"{chat.origin}/")
    await expect(chat.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    await expect(row).to_have_count(0)
    receipt = await chat.get(f"/api/entries/{entry}/receipt")
    assert all(message["gone"] and message["excerpt"] == "" for message in receipt["sent"])
    assert receipt["prompt_tokens"] > 0
    chat.watch.allow("404")
    await chat.open(f"/room/{room}")
    await expect(chat.page.get_by_role("heading", name="This conversation does not exist")).to_be_visible()
