"""The text of the page *Analyses*, as a viewer sees it."""

from __future__ import annotations

from include.common import paths
from include.config.viewers import Viewer
from include.pages import analyses, rendering


def content(viewer: Viewer) -> str:
    environment = rendering.environment(paths.ROOT / "plugins/templates")
    template, macros = environment.get_template("analyses.html"), environment.get_template("macros.html").module
    shown = {"seen": analyses.read(viewer), "viewer": viewer, "m": macros, "root": ""}
    return "".join(template.blocks["content"](template.new_context(shown)))
