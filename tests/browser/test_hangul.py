"""One Enter sends one message, also in the middle of composing Hangul, whatever order the browser tells it in."""

from typing import Any

import pytest
from playwright.async_api import CDPSession, expect

from support.chat_page import ChatPage

ENTER = {"code": "Enter", "nativeVirtualKeyCode": 13}


class Keyboard:
    """A Korean input method, as Chromium hears it."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session

    async def compose(self, *steps: str) -> None:
        """The syllable in the making: ㅇ, 아, 안."""
        for text in steps:
            await self._key("rawKeyDown", key="Process", windowsVirtualKeyCode=229, code="KeyD")
            await self._session.send(
                "Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)}
            )
            await self._key("keyUp", key="d", windowsVirtualKeyCode=68, code="KeyD")

    async def commit(self, text: str) -> None:
        """The syllable is done: compositionend, then the text in the field."""
        await self._session.send("Input.insertText", {"text": text})

    async def enter_within(self, key: str = "Process") -> None:
        """Enter as it is told while a syllable is open."""
        await self._key("rawKeyDown", key=key, windowsVirtualKeyCode=229, **ENTER)

    async def enter_down(self, **more: Any) -> None:
        await self._key("rawKeyDown", key="Enter", windowsVirtualKeyCode=13, **ENTER, **more)
        await self._key("char", key="Enter", text="\r", windowsVirtualKeyCode=13, **ENTER, **more)

    async def enter_up(self) -> None:
        await self._key("keyUp", key="Enter", windowsVirtualKeyCode=13, **ENTER)

    async def _key(self, kind: str, **given: Any) -> None:
        await self._session.send("Input.dispatchKeyEvent", {"type": kind, **given})


async def keyboard(chat: ChatPage) -> Keyboard:
    await chat.field.focus()
    return Keyboard(await chat.context.new_cdp_session(chat.page))


async def assert_sent_once(chat: ChatPage, text: str) -> None:
    await expect(chat.finished).to_have_count(1)
    await expect(chat.bubble()).to_have_text(text)
    await expect(chat.field).to_have_value("")
    # What a second, late press of the same key would have brought is there by now.
    await chat.page.evaluate("new Promise((done) => setTimeout(done, 150))")
    assert [message["text"] for message in await chat.messages() if message["role"] == "user"] == [text]
    assert (await chat.room())["totals"]["calls"] == 1


async def test_enter_that_commits_the_syllable_sends_once(chat: ChatPage) -> None:
    """Windows and Linux: keydown 229, compositionend, keyup."""
    keys = await keyboard(chat)
    await chat.field.press_sequentially("토큰 ")
    await keys.compose("ㄱ", "가", "간")
    await keys.enter_within()
    await keys.commit("간")
    await keys.enter_up()
    await assert_sent_once(chat, "토큰 간")


async def test_the_echo_of_the_same_enter_is_swallowed(chat: ChatPage) -> None:
    """macOS: keydown 229, compositionend, then the same press again as a plain Enter."""
    keys = await keyboard(chat)
    await keys.compose("ㄱ", "가", "값")
    await keys.enter_within("Enter")
    await keys.commit("값")
    await keys.enter_down()
    await keys.enter_up()
    await assert_sent_once(chat, "값")


async def test_a_double_enter_while_composing_sends_one(chat: ChatPage) -> None:
    keys = await keyboard(chat)
    await keys.compose("ㅎ", "하", "한")
    await keys.enter_within()
    await keys.commit("한")
    await keys.enter_up()
    await keys.enter_down()
    await keys.enter_up()
    await assert_sent_once(chat, "한")


async def test_two_quick_enters_send_one(chat: ChatPage) -> None:
    await chat.type("한 번만 보냅니다")
    keys = await keyboard(chat)
    await keys.enter_down()
    await keys.enter_down(autoRepeat=True)
    await keys.enter_up()
    await keys.enter_down()
    await keys.enter_up()
    await assert_sent_once(chat, "한 번만 보냅니다")


async def test_enter_after_a_committed_syllable_sends(chat: ChatPage) -> None:
    keys = await keyboard(chat)
    await keys.compose("ㅇ", "아", "안")
    await keys.commit("안")
    await keys.compose("ㄴ", "녀", "녕")
    await keys.commit("녕")
    await keys.enter_down()
    await keys.enter_up()
    await assert_sent_once(chat, "안녕")


async def test_shift_enter_starts_a_line_also_after_composing(chat: ChatPage) -> None:
    keys = await keyboard(chat)
    await keys.compose("ㄱ", "가")
    await keys.commit("가")
    await chat.field.press("Shift+Enter")
    await keys.compose("ㄴ", "나")
    await keys.enter_within()
    await keys.commit("나")
    await keys.enter_up()
    await assert_sent_once(chat, "가\n나")


async def test_escape_and_arrows_while_composing_send_nothing(chat: ChatPage) -> None:
    keys = await keyboard(chat)
    await keys.compose("ㄷ", "다")
    await chat.field.press("ArrowLeft")
    await keys.commit("다")
    await expect(chat.field).to_have_value("다")
    await expect(chat.questions).to_have_count(0)


async def test_enter_chooses_a_japanese_candidate_without_sending(chat: ChatPage) -> None:
    keys = await keyboard(chat)
    await keys.compose("k", "か", "かんじ")
    await keys.enter_within()
    await keys.commit("漢字")
    await keys.enter_up()
    await expect(chat.field).to_have_value("漢字")
    await expect(chat.questions).to_have_count(0)
    await keys.enter_down()
    await keys.enter_up()
    await assert_sent_once(chat, "漢字")


async def test_composing_in_the_editor_of_a_question(chat: ChatPage) -> None:
    await chat.asked("say: before")
    await chat.questions.nth(0).hover()
    await chat.questions.nth(0).get_by_role("button", name="Edit question").click()
    field = chat.questions.nth(0).get_by_role("textbox")
    await field.fill("say: 고친 ")
    keys = Keyboard(await chat.context.new_cdp_session(chat.page))
    await keys.compose("ㅁ", "마", "말")
    await keys.enter_within()
    await keys.commit("말")
    await keys.enter_up()
    await expect(chat.words()).to_have_text("고친 말")
    await expect(chat.finished).to_have_count(1)
    assert (await chat.room())["totals"]["calls"] == 2


# The orders in which browsers tell one press of Enter, event by event.
ORDERS = {
    "chromium": ["keydown229", "end", "keyup"],
    "chromium-on-macos": ["keydown229", "end", "keydown13", "keyup"],
    "safari": ["end", "keydown229", "keyup"],
    "without-composition-events": ["keydown13", "keyup"],
}
_PLAY = """
(field, [text, order]) => {
  const key = (type, keyCode, isComposing) => field.dispatchEvent(new KeyboardEvent(type,
    { key: keyCode === 229 ? 'Process' : 'Enter', code: 'Enter', keyCode, isComposing, bubbles: true, cancelable: true }))
  const composition = (type, data) => field.dispatchEvent(new CompositionEvent(type, { data, bubbles: true }))
  const put = (data, inputType) => {
    field.value = data
    field.dispatchEvent(new InputEvent('input', { data, inputType, bubbles: true, isComposing: inputType.includes('Composition') }))
  }
  const last = text.at(-1)
  put(text.slice(0, -1), 'insertText')
  let composing = order.includes('end')
  if (composing) {
    composition('compositionstart', '')
    composition('compositionupdate', last)
  }
  put(text, composing ? 'insertCompositionText' : 'insertText')
  for (const step of order) {
    if (step === 'keydown229') key('keydown', 229, composing)
    if (step === 'keydown13') key('keydown', 13, false)
    if (step === 'keyup') key('keyup', 13, false)
    if (step === 'end') { composing = false; composition('compositionend', last) }
  }
}
"""


@pytest.mark.parametrize("order", ORDERS)
async def test_every_order_of_events_sends_once(chat: ChatPage, order: str) -> None:
    text = "마지막 글자까지 온전히"
    await chat.field.evaluate(_PLAY, [text, ORDERS[order]])
    await assert_sent_once(chat, text)
