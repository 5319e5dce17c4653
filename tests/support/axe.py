"""axe-core on a page with a strict policy: it runs in a world of its own, beside the page's."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from playwright.async_api import Page

SOURCE = Path(__file__).resolve().parents[2] / "web/node_modules/axe-core/axe.min.js"
GRAVE = ("serious", "critical")


@cache
def _source() -> str:
    if not SOURCE.is_file():
        raise RuntimeError("axe-core is missing. Run `npm --prefix web ci`, as `python3 dev test` does.")
    return SOURCE.read_text(encoding="utf-8")


async def grave_findings(page: Page) -> list[str]:
    """What axe-core calls serious or critical, one line for each element."""
    session = await page.context.new_cdp_session(page)
    frame = (await session.send("Page.getFrameTree"))["frameTree"]["frame"]["id"]
    world = await session.send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "axe"})

    async def evaluate(expression: str) -> Any:
        given = {"contextId": world["executionContextId"], "awaitPromise": True, "returnByValue": True}
        answer = await session.send("Runtime.evaluate", {"expression": expression, **given})
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    await evaluate(_source() + "; undefined")
    options = json.dumps({"resultTypes": ["violations"], "preload": False})
    violations = await evaluate(f"axe.run(document, {options}).then((found) => found.violations)")
    await session.detach()
    return [
        f"{violation['impact']} {violation['id']}: {node['target'][-1]} {node['html'][:160]} "
        + " ".join(check["message"] for check in [*node["any"], *node["all"], *node["none"]])
        for violation in violations
        for node in violation["nodes"]
        if violation["impact"] in GRAVE
    ]
