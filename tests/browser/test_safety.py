"""Whatever anybody writes anywhere is shown, never run; no request leaves for another origin."""

import asyncio
import contextlib
import json
from typing import Any
from urllib.parse import quote

from playwright.async_api import Error, Response, expect

from support.chat_page import ChatPage, OpenPage
from support.folders import content
from support.images import png
from support.payloads import PAYLOADS
from support.running import Server, SimulatorProcess

# Everything in the document that could run or reach outside.
_DANGEROUS = """
() => {
  const found = []
  for (const element of document.querySelectorAll('*')) {
    const tag = element.localName
    if (['iframe', 'object', 'embed', 'base', 'marquee', 'audio', 'video'].includes(tag)) found.push(element.outerHTML)
    if (tag === 'script' && !(element.src.startsWith(location.origin) && element.textContent === '')) found.push(element.outerHTML)
    if (tag === 'style' || (tag === 'link' && !element.href.startsWith(location.origin))) found.push(element.outerHTML)
    for (const { name, value } of element.attributes) {
      if (name.startsWith('on')) found.push(`${tag} ${name}`)
      if (/^\\s*(javascript|vbscript|data:text)/i.test(value)) found.push(`${tag} ${name}=${value}`)
      if (['src', 'srcset', 'action', 'formaction', 'xlink:href'].includes(name) && /evil|javascript/i.test(value))
        found.push(`${tag} ${name}=${value}`)
    }
  }
  return found
}
"""

_QUESTIONS = """
() => Object.fromEntries([...document.querySelectorAll('[data-turn]:has(article.question)')].map((turn) =>
  [turn.dataset.turn, turn.querySelector('.bubble').textContent]))
"""

_TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"

_ROOMS = """
(list) => Object.fromEntries([...list.querySelectorAll('a')].map((row) => [row.pathname.replace('/room/', ''), row.title]))
"""


async def arm(chat: ChatPage) -> list[Any]:
    """`boom` tells us; the list stays empty."""
    booms: list[Any] = []
    await chat.context.expose_function("boom", lambda *given: booms.append(given))
    return booms


async def ask(chat: ChatPage, text: str, room_id: str | None = None, **more: Any) -> dict[str, Any]:
    ask.count += 1  # type: ignore[attr-defined]
    body = {"room_id": room_id, "client_id": f"safety-{ask.count}", "text": text, "attachment_ids": []} | more  # type: ignore[attr-defined]
    return await chat.call("POST", "/api/ask", body)


ask.count = 0  # type: ignore[attr-defined]


async def assert_harmless(chat: ChatPage, booms: list[Any]) -> None:
    """Also under the pointer and the focus, and when links are pressed."""
    assert await chat.page.evaluate(_DANGEROUS) == []
    await chat.page.evaluate(
        """() => {
          for (const element of document.querySelectorAll('main *')) {
            for (const type of ['mouseover', 'mouseenter', 'focus', 'pointerover', 'toggle', 'error'])
              element.dispatchEvent(new Event(type, { bubbles: type !== 'error' && type !== 'toggle' }))
          }
        }"""
    )
    assert booms == []


async def upload(chat: ChatPage, name: str) -> str:
    answer = await chat.context.request.post(
        f"{chat.origin}/api/attachments",
        data=png(4, 4),
        headers={"Content-Type": "image/png", "X-File-Name": quote(name), "Origin": chat.origin},
    )
    assert answer.status == 201, await answer.text()
    return (await answer.json())["id"]


async def test_there_are_enough_payloads() -> None:
    assert len(set(PAYLOADS)) >= 40


async def test_texts_and_answers(chat: ChatPage, simulator: SimulatorProcess) -> None:
    booms = await arm(chat)
    asked = await ask(chat, f"say: {PAYLOADS[0]}")
    room = asked["room"]["id"]
    for payload in PAYLOADS[1:]:
        await ask(chat, f"say: {payload}", room)
    await chat.open(f"/room/{room}")
    await expect(chat.words()).to_have_text(PAYLOADS[-1], timeout=30_000)
    await expect(chat.bubble()).to_have_text(f"say: {PAYLOADS[-1]}")
    shown = chat.page.get_by_role("region", name="Messages")
    texts: dict[str, str] = {}
    async with asyncio.timeout(60):
        while len(texts) < len(PAYLOADS):  # what is far from the view is not in the document
            texts |= await chat.page.evaluate(_QUESTIONS)
            await assert_harmless(chat, booms)
            await shown.evaluate("(view) => view.scrollBy(0, -1500)")
            await chat.page.evaluate(_TWO_FRAMES)
    assert set(texts.values()) == {f"say: {payload}" for payload in PAYLOADS}
    await assert_harmless(chat, booms)
    links = await chat.page.evaluate("[...document.querySelectorAll('.markdown a')].map((link) => link.protocol)")
    assert set(links) <= {"https:", "http:", "mailto:"}


async def test_an_answer_that_streams_in(chat: ChatPage, simulator: SimulatorProcess) -> None:
    booms = await arm(chat)
    simulator.script({"gate": True, "answer": "\n\n".join(PAYLOADS)})
    await chat.ask("Try to break the page")
    for _ in range(8):
        simulator.step(40)
        await chat.page.evaluate("new Promise(requestAnimationFrame)")
        assert await chat.page.evaluate(_DANGEROUS) == []
    simulator.step(100_000)
    await expect(chat.finished).to_have_count(1)
    await expect(chat.words()).to_contain_text("<script>boom(1)</script>")
    await assert_harmless(chat, booms)


async def test_titles_of_rooms(chat: ChatPage) -> None:
    booms = await arm(chat)
    rooms = {}
    for payload in PAYLOADS:
        asked = await ask(chat, "say: hi")
        title = payload.replace("\n", " ").replace("\t", " ")
        rooms[asked["room"]["id"]] = (await chat.call("PATCH", f"/api/rooms/{asked['room']['id']}", {"title": title}))[
            "title"
        ]
    await chat.page.reload()
    listing = chat.page.locator("nav.sidebar .list")
    seen: dict[str, str] = {}
    async with asyncio.timeout(60):
        while not rooms.keys() <= seen.keys():  # from the top again as long as they are not all loaded
            for top in range(0, 60 * 40, 400):
                await listing.evaluate("(list, top) => list.scrollTo(0, top)", top)
                await chat.page.evaluate(_TWO_FRAMES)
                seen |= await listing.evaluate(_ROOMS)
    assert {room: seen[room] for room in rooms} == rooms
    last = list(rooms)[-1]
    await chat.open(f"/room/{last}")
    await expect(chat.page.locator("header h1")).to_have_text(rooms[last])
    await assert_harmless(chat, booms)


async def test_names_of_models_files_and_providers_and_the_words_of_errors(
    chat: ChatPage, open_page: OpenPage, simulator: SimulatorProcess
) -> None:
    booms = await arm(chat)
    room = None
    for payload in PAYLOADS:
        name = " ".join(payload.split())[:100]
        file = await upload(chat, name)
        more: dict[str, Any] = {"attachment_ids": [file]}
        if room is None:
            asked = await ask(chat, payload, None, room={"model": name}, **more)
            room = asked["room"]["id"]
        else:
            await chat.call("PATCH", f"/api/rooms/{room}", {"model": name})
            await ask(chat, payload, room, **more)
    await chat.open(f"/room/{room}")
    # The provider refuses these models and repeats their names in its own words.
    await expect(chat.answer().locator(".note.error")).to_contain_text("does not exist")
    await expect(chat.answer().locator(".note.error")).to_contain_text(" ".join(PAYLOADS[-1].split())[:100])
    await expect(chat.questions.nth(-1).locator("img")).to_have_attribute(
        "alt", f"Image: {' '.join(PAYLOADS[-1].split())[:100]}"
    )
    await assert_harmless(chat, booms)
    await chat.open_receipt(chat.questions.nth(-1))
    await assert_harmless(chat, booms)
    providers = []
    try:
        for number, payload in enumerate(PAYLOADS[:12]):
            body = {"name": f"{number} {payload}", "base_url": "http://127.0.0.1:9/v1"}
            providers.append(await chat.call("POST", "/api/providers", body))
        await chat.open("/settings#providers")
        await expect(chat.page.get_by_role("heading", name=f"2 {PAYLOADS[2]}")).to_be_visible()
        await chat.page.get_by_role("article", name=f"2 {PAYLOADS[2]}").get_by_role("button", name="Test").click()
        await expect(chat.page.get_by_role("status").filter(has_text="The test failed")).to_be_visible()
        await assert_harmless(chat, booms)
    finally:
        for provider in providers:
            await chat.call("DELETE", f"/api/providers/{provider['id']}")


async def test_a_key_never_comes_back(chat: ChatPage, server: Server) -> None:
    canary = "sk-canary-0d4c1e77aa"
    provider = await chat.call(
        "POST", "/api/providers", {"name": "Canary", "base_url": "http://127.0.0.1:9/v1", "key": canary}
    )
    responses: list[Response] = []
    chat.page.on("response", lambda response: responses.append(response))  # noqa: PLW0108 (no attribute can be set on a built-in)
    await chat.open("/settings#providers")
    await expect(chat.page.get_by_role("article", name="Canary")).to_contain_text("…77aa")
    await chat.page.get_by_role("article", name="Canary").get_by_role("button", name="Test").click()
    await expect(chat.page.get_by_role("status").filter(has_text="The test failed")).to_be_visible()
    bodies = []
    for response in responses:
        if "/api/" in response.url and "/events" not in response.url:
            with contextlib.suppress(Error):  # of a page that has been left
                bodies.append(await response.text())
    assert any('"Canary"' in body for body in bodies)
    assert canary not in json.dumps(bodies) + await chat.page.content()
    assert canary not in await chat.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    await chat.call("DELETE", f"/api/providers/{provider['id']}")
    files = content(server.data_dir)
    assert "talkmeter.db" in files
    assert [name for name, data in files.items() if canary.encode() in data] == []
    assert canary not in "".join(server.log + server.lines)


async def test_the_policy_forbids_what_it_should(chat: ChatPage) -> None:
    """The watch must be able to notice: a page that tried would be stopped and heard of."""
    chat.watch.allow("violation: ", "console error")
    answer = await chat.context.request.get(chat.origin)
    policy = answer.headers["content-security-policy"]
    assert "unsafe-" not in policy
    assert "trusted-types 'none'" in policy
    stopped = await chat.page.evaluate(
        """async () => {
          const heard = []
          document.addEventListener('securitypolicyviolation', (event) => heard.push(event.effectiveDirective))
          const tried = {}
          const attempt = (name, action) => { try { action(); tried[name] = 'done' } catch { tried[name] = 'stopped' } }
          attempt('markup', () => { document.createElement('div').innerHTML = '<b>x</b>' })
          setTimeout(() => attempt('eval', () => { new Function('return 1')() }))
          const image = new Image()
          image.src = 'http://127.0.0.1:9/never.png'
          attempt('script', () => {
            const script = document.createElement('script')
            script.textContent = 'window.ran = true'
            document.body.append(script)
          })
          const expected = ['img-src', 'require-trusted-types-for']
          while (!('eval' in tried && expected.every((one) => heard.includes(one)))) await new Promise((done) => setTimeout(done, 10))
          return { tried, heard, ran: window.ran === true }
        }"""
    )
    assert stopped["tried"] == {"markup": "stopped", "eval": "stopped", "script": "stopped"}
    assert not stopped["ran"]
    assert "img-src" in stopped["heard"]
    assert "require-trusted-types-for" in stopped["heard"]
    assert chat.watch.elsewhere == ["http://127.0.0.1:9/never.png"]
    chat.watch.elsewhere.clear()
