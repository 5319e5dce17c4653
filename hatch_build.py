"""The wheel's build hook: a wheel or sdist never leaves without the page."""

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageBuildHook(BuildHookInterface):
    """Builds the page when it is missing or stale; asks for Node from PyPI only where the machine has none."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        tool = _tool(self.root)
        if tool.page_is_fresh() or tool.machine_npm() is not None:
            return []
        return [tool.NODE_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        _tool(self.root).build_page(self.app.display_info)


def _tool(root: str) -> Any:
    spec = importlib.util.spec_from_file_location("build_page", Path(root) / "tools/build_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
