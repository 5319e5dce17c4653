"""What a model writes is shown as it is meant, in Korean too, and reaches for nothing outside."""

import re

from playwright.async_api import expect

from support.chat_page import ChatPage
from support.running import SimulatorProcess

ANSWER = """\
**비용(USD)**은 토큰 수에 **단가**를 곱한 값이고, *기울임*과 ~~취소선~~도 됩니다. 인라인 $e^{i\\pi} + 1 = 0$ 수식.

$$
C = \\sum_{i=1}^{k} n_i p_i
$$

```python
def total(lines: list[int]) -> int:
    return sum(lines)  # 합계
```

| 항목 | 토큰 |
|:--|--:|
| 프롬프트 | 41 |
| 답변 | 909 |

1. 첫째
   - [x] 끝난 일
   - [ ] 남은 일

![그림](https://pictures.example/meter.png) and a [guide](https://docs.example/tokens?a=1), and https://plain.example/path에서 봅니다.

[not a link](javascript:alert(1)) <b>no markup</b> <img src=x onerror=alert(1)>
"""


async def answered(chat: ChatPage, simulator: SimulatorProcess, answer: str) -> None:
    simulator.script({"answer": answer})
    await chat.ask("Show what you can write")
    await expect(chat.finished).to_have_count(1)


async def test_markdown_stands_as_it_is_meant(chat: ChatPage, simulator: SimulatorProcess) -> None:
    await answered(chat, simulator, ANSWER)
    words = chat.words()
    await expect(words.locator("p").first.locator("strong")).to_have_text(["비용(USD)", "단가"])
    await expect(words.locator("p").first).to_contain_text("비용(USD)은 토큰 수에 단가를 곱한")
    await expect(words.locator("em")).to_have_text("기울임")
    await expect(words.locator("td")).to_have_text(["프롬프트", "41", "답변", "909"])
    await expect(words.locator("ol > li ul > li")).to_have_count(2)
    await expect(words.locator(".code-block .tok-keyword").first).to_have_text("def")
    await expect(words.locator(".math .katex")).to_have_count(2)
    await expect(words.locator(".math-display .katex")).to_be_visible()
    # What is not allowed to be more than text is text.
    await expect(words).to_contain_text("<b>no markup</b> <img src=x onerror=alert(1)>")
    await expect(words.locator("b, script, iframe")).to_have_count(0)
    await chat.shot("markdown")


async def test_links_show_their_host_and_pictures_wait_for_a_click(chat: ChatPage, simulator: SimulatorProcess) -> None:
    await answered(chat, simulator, ANSWER)
    words = chat.words()
    await expect(words.locator("a")).to_have_count(3)
    links = {await link.inner_text(): await link.get_attribute("href") for link in await words.locator("a").all()}
    assert links["guide"] == "https://docs.example/tokens?a=1"
    assert links["https://plain.example/path"] == "https://plain.example/path"
    assert "not a link" not in links
    await expect(words.locator(".link-host")).to_have_text("docs.example")
    placeholder = words.locator("a.image-placeholder")
    await expect(placeholder).to_contain_text("그림")
    await expect(placeholder).to_contain_text("pictures.example")
    await expect(words.locator("img")).to_have_count(0)
    for link in await words.locator("a").all():
        await expect(link).to_have_attribute("rel", re.compile("noopener"))
        await expect(link).to_have_attribute("target", "_blank")
    assert not [url for url in chat.watch.requests if ".example" in url]


async def test_code_is_copied_exactly(chat: ChatPage, simulator: SimulatorProcess) -> None:
    await chat.context.grant_permissions(["clipboard-read", "clipboard-write"])
    code = 'print("합계: \\t{}".format(1 < 2))\n\n\n# <b>끝</b> & "따옴표" 👩🏽‍💻'
    await answered(chat, simulator, f"Here:\n\n```python\n{code}\n```\n")
    await chat.words().get_by_role("button", name="Copy", exact=True).click()
    await expect(chat.words().get_by_role("button", name="Copied")).to_be_visible()
    assert await chat.page.evaluate("navigator.clipboard.readText()") == code
    await chat.answer().get_by_role("button", name="Copy message").click()
    await chat.page.wait_for_function("navigator.clipboard.readText().then((text) => text.startsWith('Here:'))")
    assert await chat.page.evaluate("navigator.clipboard.readText()") == f"Here:\n\n```python\n{code}\n```\n"


async def test_what_is_half_written_stands_as_well_as_what_is_whole(
    chat: ChatPage, simulator: SimulatorProcess
) -> None:
    """The streamed page and the reloaded page are the same, and no half marker flickers in between."""
    simulator.script({"gate": True, "answer": ANSWER})
    await chat.ask("Show what you can write, slowly")
    for _ in range(12):
        simulator.step(6)
        await chat.page.evaluate("new Promise(requestAnimationFrame)")
        text = await chat.words().inner_text() if await chat.words().count() else ""
        assert "**" not in text
        assert "```" not in text
    simulator.step(1000)
    await expect(chat.finished).to_have_count(1)
    await expect(chat.words().locator(".katex")).to_have_count(2)
    await expect(chat.words().locator(".tok-keyword").first).to_be_visible()
    await expect(chat.words()).to_have_attribute("aria-busy", "false")
    streamed = normal(await chat.words().inner_html())
    await chat.page.reload()
    await expect(chat.words().locator(".katex")).to_have_count(2)
    await expect(chat.words().locator(".tok-keyword").first).to_be_visible()
    assert normal(await chat.words().inner_html()) == streamed


def normal(html: str) -> str:
    """Without what marks where a block ends."""
    return re.sub(r"<!--.*?-->|\s+", " ", html)


async def test_a_long_answer_streams_to_its_end(chat: ChatPage, simulator: SimulatorProcess) -> None:
    await chat.choose_model("sim-fast@0")
    await chat.ask("long 60000")
    await expect(chat.finished).to_have_count(1, timeout=60_000)
    text = (await chat.messages())[-1]["text"]
    assert len(text) == 60_000
    chapters = re.findall(r"(?m)^## (.*)$", text)
    await expect(chat.words().get_by_role("heading", level=4)).to_have_count(len(chapters))
    await expect(chat.words().get_by_role("heading", level=4).last).to_have_text(chapters[-1])
    await expect(chat.words().get_by_role("heading", level=4).last).to_be_attached()
