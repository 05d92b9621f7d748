"""Render Slack's mrkdwn as HTML, escaping everything else."""

from __future__ import annotations

import html
import re
from typing import Any

from markupsafe import Markup

_TOKEN = re.compile(r"<([^<>\n]+)>")
_STYLES = (
    (re.compile(r"```(.+?)```", re.S), "pre"),
    (re.compile(r"`([^`\n]+)`"), "code"),
    (re.compile(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])"), "b"),
    (re.compile(r"(?<![\w_])_([^_\n]+)_(?![\w_])"), "i"),
    (re.compile(r"(?<![\w~])~([^~\n]+)~(?![\w~])"), "s"),
)


def rendered(text: Any) -> Markup:
    """Render a text object, or a string, as HTML."""
    if isinstance(text, dict):
        content = str(text.get("text", ""))
        return _plain(content) if text.get("type") == "plain_text" else _markup(content)
    return _markup(str(text or ""))


def _escaped(text: str) -> str:
    # The sender has escaped & < > as Slack requires. Characters that it did not escape are shown unchanged.
    return html.escape(html.unescape(text)).replace("\n", "<br>")


def _plain(text: str) -> Markup:
    return Markup(_escaped(text))


def _markup(text: str) -> Markup:
    pieces = _TOKEN.split(text)
    shown = [_token(piece) if position % 2 else _styled(piece) for position, piece in enumerate(pieces)]
    return Markup("".join(shown))


def _styled(text: str) -> str:
    shown = _escaped(text)
    for pattern, tag in _STYLES:
        shown = pattern.sub(rf"<{tag}>\1</{tag}>", shown)
    return shown


def _token(token: str) -> str:
    target, _, label = token.partition("|")
    if target.startswith(("http://", "https://", "mailto:")):
        return f'<a href="{html.escape(html.unescape(target))}" rel="noreferrer">{_escaped(label or target)}</a>'
    if target.startswith(("@", "#", "!")):
        return f'<span class="mention">{_escaped(label or target)}</span>'
    return _escaped(f"<{token}>")
