"""What the simulator says in English."""

from talkmeter.simulator.texts import Texts

_TABLE = """\
Here is how the figures beside a message come about:

| Figure | Where it stands | What it counts | Exact? |
|:--|:--|:--|--:|
| Prompt tokens | beside your question | everything that was sent: system prompt, history, question | yes |
| Cached tokens | on the receipt | the beginning of the prompt that the provider had seen before | reported |
| Completion tokens | beside the answer | the answer, and hidden reasoning if there was any | reported |
| **Cost (USD)** | beside both | tokens × the price that was valid at that moment | to the picodollar |"""

_CODE = '''\
A small function that adds up a bill without ever touching a floating-point number:

```python
from collections.abc import Iterable
from typing import NamedTuple

PICODOLLARS = 10**12  # in one US dollar


class Line(NamedTuple):
    tokens: int
    dollars_per_million: str  # as the price list prints it, for example "2.50"


def picodollars(price: str) -> int:
    """The price of one token, exactly: "2.50" per million tokens is 2,500,000 picodollars each."""
    whole, _, fraction = price.partition(".")
    return int(whole + fraction.ljust(6, "0"))


def total(lines: Iterable[Line]) -> int:
    return sum(line.tokens * picodollars(line.dollars_per_million) for line in lines)


assert total([Line(41, "2.50"), Line(909, "10.00")]) == 9_192_500_000
```

and the same sum in the shell, for the impatient:

```sh
echo "41 * 2.50 / 10^6 + 909 * 10 / 10^6" | bc -l
```'''

_MATH = r"""The cost of one request is a sum over its kinds of tokens. With $n_i$ tokens at a price of $p_i$ dollars per million:

$$
C = \frac{1}{10^6} \sum_{i=1}^{k} n_i \, p_i ,
\qquad
C_{\text{cached}} = \frac{(n - n_c)\, p + n_c\, p_c}{10^6}
$$

If every question has \(q\) tokens and every answer \(a\), sending the *whole* history makes the prompt of turn \(t\) as long as \(t q + (t - 1) a\). Over \(T\) turns that adds up to

\[
\sum_{t=1}^{T} \bigl( t q + (t-1) a \bigr) = \frac{T(T+1)}{2}\, q + \frac{T(T-1)}{2}\, a = \mathcal{O}(T^2),
\]

which is why a history window of \(N\) messages keeps a long talk affordable: it makes the growth linear."""  # noqa: E501 a line break would show

_LIST = """\
Five things to try next:

1. **Open the receipt.** Click the figure beside an answer; the lines add up to what was charged.
2. **Narrow the window.** Send fewer messages of the history and watch the next price fall:
   - a window of 1 sends the question alone,
   - a window of 4 sends two exchanges,
   - *all* sends everything.
3. **Edit a question.** The old branch stays; `‹ 2/2 ›` switches between them.
4. **Stop an answer** half-way and see how the ledger settles it.
5. **Close the page** while an answer runs, and open it again.
   - [x] nothing is lost
   - [ ] nothing is billed twice"""

_LINK = """\
Some links, and a picture that is not loaded before you ask for it:

- the [token counting guide](https://platform.openai.com/docs/guides/text-generation) of OpenAI,
- a bare address: https://example.com/prices?model=gpt-4o&unit=token,
- a [link that must not work](javascript:alert(1)).

![A remote picture](https://example.com/a-picture-of-a-meter.png "not loaded by itself")"""

_HTML = """\
HTML in an answer is shown, never run:

<b>bold?</b> <script>alert("no")</script> <img src="https://example.com/x.png" onerror="alert(1)">

Entities stay what they are: &lt;tag&gt; &amp; &copy; 2026."""

_QUOTE = """\
> What gets measured gets managed.
>
> > It is said, without a source, by nearly everybody.

---

Text can be *emphasised*, **strong**, ***both***, ~~struck out~~ or `code`, and end with a\\
hard break. An emoji made of several parts: 👩🏽‍💻, a flag: 🇰🇷, a formula in a line: $e^{i\\pi} + 1 = 0$."""

TEXTS = Texts(
    openings=(
        "You asked: “{question}”",
        "About “{question}”:",
        "“{question}”: a good question.",
    ),
    bodies=(
        """\
I cannot know the answer, because I only play a model's part. But the tokens and the money beside this message are \
counted as they would be for a real one, so this is a good place to look around:

- **Receipt:** click the figures to see every line of the bill.
- **History window:** choose how many messages the next question takes along.
- **Price ladder:** below the composer you see what each window would cost.

To talk to a real model, register a key under *Settings → Providers*.""",
        """\
Here a real model would think for you. I can only show what its answer would look like: **bold**, *italic*, \
`inline code`, and lists like this one.

1. Ask for a *table*, *code*, *math*, a *list* or *links*, and I will answer with one.
2. Write `say: hello` and I will say just that.
3. Write `long 5000` for an answer of exactly 5,000 characters.

Each word arrives as a separate event, at a speed you can choose.""",
        """\
Let me answer with how the bill for this exchange is made.

**Tokens in** are everything that was sent: the system prompt, the messages of the history window and your question. \
**Tokens out** are what you are reading now. Both were counted before the answer began and compared with what the \
provider reported, and the **cost (USD)** is their product with the price list.

A model of your own is one step away: point a provider at OpenAI, or at a program such as Ollama on this computer.""",
    ),
    disclaimer="*This answer comes from Talkmeter's built-in simulator, not from a real model.*",
    sections={
        "table": _TABLE,
        "code": _CODE,
        "math": _MATH,
        "list": _LIST,
        "link": _LINK,
        "html": _HTML,
        "quote": _QUOTE,
    },
    prose=(
        "A meter is trusted because it counts the small things the same way as the large ones.",
        "What was sent is written down before it leaves, and what came back is written down when it arrives.",
        "Between the two lies a moment in which anything may fail, and the ledger has a word for each case.",
        "A figure that was reported is kept apart from one that was counted, and both from one that is missing.",
        "Nobody likes surprises on a bill, least of all the person who has to explain it to somebody else.",
        "So every line can be opened, and behind it stand the very messages that were paid for.",
        "Prices change, but yesterday's conversation keeps the price of yesterday.",
        "The longer a talk goes on, the more of it is sent again with every question.",
        "A narrow window forgets sooner and costs less; a wide one remembers and costs more.",
        "Which of the two is right depends on the question, and so the choice belongs next to it.",
    ),
    heading="## {number}. About meters",
    images="I see {count} attached image(s). A real model would describe them; I can only say what they cost: the "
    "receipt shows the tokens of each one on a line of its own.",
    json_note="This is the simulator, not a real model.",
)
