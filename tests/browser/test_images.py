"""Images come by file, by drag and by paste, are shown again later, and have their tokens on the receipt."""

import asyncio
import base64
from collections.abc import Iterator

import pytest
from playwright.async_api import FilePayload, Locator, Route, expect

from support.chat_page import ChatPage
from support.images import png
from support.running import Server, SimulatorProcess

LARGEST = 60_000  # bytes
MOST_PIXELS = 1_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, simulator_process: SimulatorProcess) -> Iterator[Server]:
    upstream = {"OPENAI_API_KEY": "sk-test-1234", "OPENAI_BASE_URL": simulator_process.base_url}
    limits = ("--upload-bytes", str(LARGEST), "--upload-pixels", str(MOST_PIXELS), "--images-per-message", "3")
    with Server(tmp_path_factory.mktemp("server"), *limits, environment=upstream) as running:
        yield running


def file(name: str = "메터.png", data: bytes | None = None, kind: str = "image/png") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": png(120, 80) if data is None else data}


def tray(chat: ChatPage) -> Locator:
    return chat.composer.locator(".tray li")


async def hand_over(chat: ChatPage, event: str, files: list[FilePayload]) -> None:
    """Drops or pastes files as the browser would tell it."""
    given = [
        {"name": one["name"], "type": one["mimeType"], "data": base64.b64encode(one["buffer"]).decode()}
        for one in files
    ]
    await chat.field.evaluate(
        """(field, [event, files]) => {
          const transfer = new DataTransfer()
          for (const { name, type, data } of files) {
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))
            transfer.items.add(new File([bytes], name, { type }))
          }
          const init = { bubbles: true, cancelable: true }
          if (event === 'paste') field.dispatchEvent(new ClipboardEvent('paste', { ...init, clipboardData: transfer }))
          else {
            for (const type of ['dragenter', 'dragover', 'drop'])
              field.dispatchEvent(new DragEvent(type, { ...init, dataTransfer: transfer }))
          }
        }""",
        [event, given],
    )


async def assert_shown(locator: Locator) -> None:
    """The picture has been loaded and decoded, not only named."""
    await expect(locator).to_be_visible()
    await expect(locator).to_have_js_property("complete", True)
    await expect(locator).to_have_js_property("naturalWidth", 120)


@pytest.mark.parametrize("way", ["file", "drop", "paste"])
async def test_an_image_is_attached_sent_and_shown_again(chat: ChatPage, simulator: SimulatorProcess, way: str) -> None:
    if way == "file":
        async with chat.page.expect_file_chooser() as choosing:
            await chat.composer.get_by_role("button", name="Attach images").click()
        await (await choosing.value).set_files([file()])
    else:
        await hand_over(chat, way, [file()])
    await expect(tray(chat)).to_have_count(1)
    await assert_shown(tray(chat).locator("img"))
    await chat.ask("What is in this picture?")
    await expect(chat.finished).to_have_count(1)
    await expect(tray(chat)).to_have_count(0)
    await expect(chat.words()).to_contain_text("image")
    shown = chat.questions.nth(0).locator(".pictures img")
    await assert_shown(shown)
    await chat.page.reload()
    await assert_shown(shown)
    await expect(shown).to_have_attribute("alt", "Image: 메터.png")
    receipt = await chat.entry()
    charged = simulator.row(receipt["entry_id"])
    assert receipt["prompt_tokens"] == charged["prompt_tokens"]
    (sent,) = receipt["sent"]
    assert sent["image_tokens"] > 0
    sheet = await chat.open_receipt(chat.answer())
    await expect(sheet).to_contain_text(f"+ {sent['image_tokens']} images")
    if way == "file":
        await chat.shot("image")


async def test_a_real_paste_from_the_clipboard(chat: ChatPage) -> None:
    await chat.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await chat.page.evaluate(
        """async (data) => {
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))
          await navigator.clipboard.write([new ClipboardItem({ 'image/png': new Blob([bytes], { type: 'image/png' }) })])
        }""",
        base64.b64encode(png(120, 80)).decode(),
    )
    await chat.field.focus()
    await chat.page.keyboard.press("Control+V")
    await assert_shown(tray(chat).locator("img"))


async def test_images_keep_their_order_whichever_arrives_first(chat: ChatPage) -> None:
    held: asyncio.Future[Route] = asyncio.get_running_loop().create_future()

    async def hold_the_first(route: Route) -> None:
        if "first" in route.request.headers["x-file-name"]:
            held.set_result(route)
        else:
            await route.continue_()

    await chat.page.route("**/api/attachments", hold_the_first)
    async with chat.page.expect_response("**/api/attachments"):
        await hand_over(chat, "drop", [file("first.png"), file("second.png")])
    await (await held).continue_()
    await expect(tray(chat).locator("progress")).to_have_count(0)
    await chat.asked("In which order?")
    (question, _) = await chat.messages()
    assert [one["name"] for one in question["attachments"]] == ["first.png", "second.png"]


async def test_several_images_and_one_taken_away(chat: ChatPage) -> None:
    await hand_over(chat, "drop", [file("a.png"), file("b.png"), file("c.png"), file("d.png")])
    await expect(chat.composer.get_by_role("alert")).to_contain_text("at most 3 images")
    await expect(tray(chat)).to_have_count(4)
    await expect(tray(chat).locator("progress")).to_have_count(0)
    await tray(chat).get_by_role("button", name="Remove d.png").click()
    await tray(chat).get_by_role("button", name="Remove b.png").click()
    await expect(tray(chat)).to_have_count(2)
    await chat.asked("Two of them")
    (question, _) = await chat.messages()
    assert [one["name"] for one in question["attachments"]] == ["a.png", "c.png"]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (file("large.png", png(120, 80) + b"\0" * LARGEST), "large.png is larger than 60 kB"),
        (file("notes.txt", b"no image at all", "text/plain"), "notes.txt is not a PNG, JPEG, WebP or GIF image"),
        (file("script.svg", b"<svg onload='alert(1)'/>", "image/svg+xml"), "script.svg is not a PNG"),
        (
            file("lies.png", b"GIF? No: only its name says what it is"),
            "lies.png This is no PNG, JPEG, WebP or GIF image",
        ),
        (file("huge.png", png(2000, 2000)), "huge.png The image is 2000 × 2000"),
    ],
    ids=["too-large", "text", "svg", "not-what-it-says", "too-many-pixels"],
)
async def test_what_is_no_image_says_so_and_leaves_the_draft_alone(
    chat: ChatPage, bad: FilePayload, words: str
) -> None:
    chat.watch.allow("415", "422")
    await chat.type("The draft stays")
    await hand_over(chat, "drop", [bad])
    problem = chat.composer.get_by_role("alert")
    await expect(problem).to_contain_text(words, use_inner_text=True)
    assert len(await problem.inner_text()) > len(words)
    broken = "images => images.filter(image => image.complete && image.naturalWidth === 0).length"
    await expect(tray(chat)).to_have_count(1)
    if bad["mimeType"] != "image/png" or "lies" in bad["name"]:
        await expect(tray(chat).locator(".file svg")).to_be_visible()
    assert await tray(chat).locator("img").evaluate_all(broken) == 0
    await chat.shot(f"bad-image-{bad['name']}")
    await expect(chat.field).to_have_value("The draft stays")
    await chat.asked("The draft stays")
    (question, _) = await chat.messages()
    assert question["attachments"] == []
    await expect(tray(chat)).to_have_count(0)
    await expect(problem).to_have_count(0)


async def test_the_price_of_an_image_is_known_before_it_is_sent(chat: ChatPage) -> None:
    await chat.type("Look at this")
    meter = chat.composer.locator(".meter:not(.stale)")
    await expect(meter).to_contain_text("Next request")
    async with chat.page.expect_response("**/api/attachments") as uploading:
        await hand_over(chat, "drop", [file()])
    image = (await (await uploading.value).json())["id"]
    body = {"room_id": None, "text": "Look at this", "attachment_ids": [image]}
    counted = await chat.call("POST", "/api/preview", body)
    one = next(one for one in counted["ladder"] if one["window"] == counted["window"])
    await expect(meter).to_contain_text(f"Next request {one['prompt_tokens']:,} tokens")
    await chat.asked("Look at this")
    figures = (await chat.messages())[0]["figures"]
    assert figures["prompt_tokens"] == one["prompt_tokens"]
