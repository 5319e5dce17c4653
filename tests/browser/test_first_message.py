"""The first message: a room, a streaming answer, and figures that are the receipt's and the bill's."""

import re

from playwright.async_api import expect

from support.chat_page import ChatPage, dollars, figure, tokens
from support.running import SimulatorProcess, said


async def test_the_first_message_makes_a_room_titled_by_its_first_line(chat: ChatPage) -> None:
    await chat.field.fill("Where do tokens go?\nAnd what do they cost?")
    await chat.field.press("Enter")
    await expect(chat.finished).to_have_count(1)
    await expect(chat.page.locator("header h1")).to_have_text("Where do tokens go?")
    await expect(chat.page).to_have_title("Where do tokens go? · Talkmeter")
    listed = chat.page.locator("nav.sidebar a[aria-current=page]")
    await expect(listed).to_have_text(re.compile(r"Where do tokens go\?"))
    room = await chat.room()
    assert room["room"]["title"] == "Where do tokens go?"
    await expect(listed).to_have_attribute("href", f"/room/{room['room']['id']}")
    await expect(chat.bubble()).to_have_text("Where do tokens go?\nAnd what do they cost?", use_inner_text=True)
    assert room["messages"][0]["text"] == "Where do tokens go?\nAnd what do they cost?"


async def test_the_answer_grows_on_the_page_as_it_arrives(chat: ChatPage, simulator: SimulatorProcess) -> None:
    whole = "One token, then another, then the rest of them."
    simulator.script({"gate": True, "answer": whole})
    await chat.ask("Say something in steps")
    simulator.step(2)
    for events in range(3, 7):
        await expect(chat.words()).to_have_text(said(whole, events - 1))
        simulator.step(1)
        await expect(chat.words()).to_have_text(said(whole, events))
        await expect(chat.answer()).to_have_attribute("aria-busy", "true")
    # While the bill is open the question shows our own count, the answer shows no figure at all.
    question = chat.figure(chat.questions.nth(-1))
    await expect(question).to_have_attribute("aria-label", re.compile("the bill is still open"))
    await expect(chat.figure(chat.answer())).to_have_count(0)
    simulator.step(1000)
    await expect(chat.finished).to_have_count(1)
    await expect(chat.words()).to_have_text(whole)


async def test_the_figures_are_the_receipts_and_the_bills(chat: ChatPage, simulator: SimulatorProcess) -> None:
    await chat.asked("What does this cost?")
    await chat.asked("그리고 이 두 번째 질문은요?")
    receipt = await chat.entry()
    charged = simulator.row(receipt["entry_id"])
    assert receipt["prompt_tokens"] == charged["prompt_tokens"]
    assert receipt["completion_tokens"] == charged["completion_tokens"]
    question, answer = (await chat.messages())[-2:]
    assert int(question["figures"]["input_cost"]) + int(answer["figures"]["output_cost"]) == int(receipt["cost"])
    await expect(chat.figure(chat.questions.nth(-1))).to_have_text(
        figure(charged["prompt_tokens"], question["figures"]["input_cost"])
    )
    await expect(chat.figure(chat.answer())).to_have_text(
        figure(charged["completion_tokens"], answer["figures"]["output_cost"])
    )
    for message in (chat.questions.nth(-1), chat.answer()):
        await expect(chat.figure(message)).to_have_attribute("aria-label", re.compile("As the provider reported it"))


def numbers(text: str) -> list[int]:
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", text)]


async def test_the_receipt_adds_up_line_by_line(chat: ChatPage, simulator: SimulatorProcess) -> None:
    await chat.asked("The first of two questions")
    await chat.asked("Give me a long answer with a table")
    sheet = await chat.open_receipt(chat.answer())
    await chat.shot("receipt")
    receipt = await chat.entry()
    charged = simulator.row(receipt["entry_id"])
    used, sent = await sheet.locator(".head .sum").all_inner_texts()
    prompt, completion = charged["prompt_tokens"], charged["completion_tokens"]
    assert numbers(used) == [prompt + completion, prompt, completion]
    assert numbers(sent) == [3, 2, 1]
    for index, total in enumerate((prompt, completion)):
        lines = sheet.locator("ul.lines").nth(index)
        amounts = [
            numbers(text)[0] for text in await lines.locator("li:not(.total, .of) span:last-child").all_inner_texts()
        ]
        assert amounts
        assert sum(amounts) == total
        assert numbers(await lines.locator("li.total").inner_text()) == [total]
    messages = sheet.locator("section ol > li")
    await expect(messages).to_have_count(receipt["messages_sent"])
    parts = [numbers(text) for text in await messages.locator(".tokens, .parts").all_inner_texts()]
    framing_of_the_call = prompt - sum(map(sum, parts))
    assert framing_of_the_call == next(line["tokens"] for line in receipt["lines"] if line["kind"] == "framing") - sum(
        message["framing_tokens"] for message in receipt["sent"]
    )


async def test_the_cost_lines_add_up_to_the_picodollar(chat: ChatPage) -> None:
    await chat.asked("What is the price of this?")
    sheet = await chat.open_receipt(chat.questions.nth(-1))
    receipt = await chat.entry()
    shown = sheet.locator("section", has=chat.page.get_by_role("heading", name="Cost")).first
    rows = [re.sub(r"[$,]", "", text) for text in await shown.locator(".amount").all_inner_texts()]
    picodollars = [round(float(row) * 10**12) for row in rows]
    assert len(picodollars) == len(receipt["cost_lines"]) + 1
    assert sum(picodollars[:-1]) == picodollars[-1] == int(receipt["cost"])
    for line in receipt["cost_lines"]:
        assert int(line["picodollars"]) == line["quantity"] * int(line["picodollars_per"]) // line["per"]


async def test_the_rooms_totals_are_the_sum_of_its_bill(chat: ChatPage, simulator: SimulatorProcess) -> None:
    await chat.asked("one")
    await chat.asked("two")
    messages = await chat.messages()
    entries = [message["figures"]["entry_id"] for message in messages if message["role"] == "assistant"]
    rows = [simulator.row(entry) for entry in entries]
    prompt, completion = (sum(row[name] for row in rows) for name in ("prompt_tokens", "completion_tokens"))
    totals = chat.page.locator("header button.totals")
    money = (await chat.room())["totals"]["cost"]
    costs = [(await chat.get(f"/api/entries/{entry}/receipt"))["cost"] for entry in entries]
    assert int(money) == sum(map(int, costs)) > 0
    await expect(totals).to_have_text(re.compile(rf"^{tokens(prompt + completion)}\s*·\s*{re.escape(dollars(money))}"))
    await totals.click()
    sheet = chat.page.get_by_role("dialog", name="Totals of this conversation")
    await expect(sheet.locator("dd")).to_have_text(["2", tokens(prompt), tokens(completion), dollars(money)])


async def test_the_receipt_has_an_address_and_escape_closes_it(chat: ChatPage) -> None:
    await chat.asked("A receipt of its own")
    await chat.open_receipt(chat.answer())
    entry = (await chat.entry())["entry_id"]
    await expect(chat.page).to_have_url(re.compile(rf"#receipt={entry}$"))
    await chat.page.reload()
    await expect(chat.receipt.locator(".sheet")).to_contain_text(entry)
    await chat.page.keyboard.press("Escape")
    await expect(chat.receipt).to_have_count(0)
    await expect(chat.page).to_have_url(re.compile(r"/room/[^#]+$"))
