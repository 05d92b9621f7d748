"""The words of a ticket that count: without quoted mails and fixed lines; and masked, where they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from include.config.triage import matches

MOST_CHARACTERS = 2_000
_HAN = re.compile(r"[\u3400-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")
# Where a quoted mail or a signature begins. Everything after it was written before, or by a machine.
_QUOTE = re.compile(
    r"^[^\S\n]{0,20}(?:on .{5,120} wrote:|-{3,}\s*(?:original message|forwarded message|原始邮件|转发).{0,20}"
    r"|(?:>\s*)?(?:from|von|发件人|寄件人)\s*[:：].{0,120}|在.{3,80}写道[:：]|am .{5,120} schrieb.{0,80}:"
    r"|--\s*$|_{8,})",
    re.IGNORECASE | re.MULTILINE,
)
_MASKS = (
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"), "[e-mail]"),
    (re.compile(r"\bhttps?://\S{1,500}"), "[link]"),
    (re.compile(r"(?<![\w.])\+?\d[\d ()/-]{5,18}\d(?![\w.])"), "[number]"),
)
# Names of people stand after a greeting and before the end. https://en.wikipedia.org/wiki/Salutation
_GREETING = re.compile(r"^(?:hi|hello|hey|dear|hallo|尊敬的)\b[^\n,，!！:：]{0,40}[,，!！:：]\s*", re.IGNORECASE)
_CLOSING = re.compile(
    r"(?:^|\n|[.!。！,，]\s{0,3})(?:(?:best|kind|warm)?\s?regards|best|cheers|thanks|many thanks|thx|祝好|此致|谢谢)"
    r"[,，.!！]?\s{0,3}[^\n]{0,60}\s*\Z",
    re.IGNORECASE,
)


def clean(subject: str | None, body: str | None, ignored_lines: Iterable[str] = ()) -> str:
    """Return the subject and the customer's own words, at most 2,000 characters."""
    own = (body or "")[: 5 * MOST_CHARACTERS]
    if found := _QUOTE.search(own):
        own = own[: found.start()]
    ignored = tuple(ignored_lines)
    lines = (line.strip() for line in own.splitlines())
    kept = [line for line in lines if line and not line.startswith((">", "|")) and not matches(ignored, line)]
    title = re.sub(r"^(?:(?:re|fwd?|aw|wg|回复|转发|答复)\s*[:：]\s*){1,9}", "", (subject or "").strip(), flags=re.I)
    if title.lower() in ("(no subject)", "no subject", "无主题"):
        title = ""
    return "\n".join(filter(None, (title, *kept)))[:MOST_CHARACTERS]


def language(text: str) -> str:
    """Return ``zh`` if at least a tenth of the letters are Chinese, else ``en``: one sign is a word."""
    letters = len(_LETTER.findall(text))
    return "zh" if letters and len(_HAN.findall(text)) >= letters / 10 else "en"


def masked(text: str, names: Iterable[str] = (), most: int = 160) -> str:
    """Return a text without addresses, links, long numbers, greeting, closing, and the given names.

    Args:
        names: Names of people and companies; shorter than two characters are ignored.
        most: Longest result.
    """
    shown = _CLOSING.sub("", "\n".join(_GREETING.sub("", line) for line in text.splitlines()))
    for pattern, word in _MASKS:
        shown = pattern.sub(word, shown)
    for name in sorted({one.strip() for one in names if one and len(one.strip()) > 1}, key=len, reverse=True):
        shown = re.sub(re.escape(name), "[name]", shown, flags=re.IGNORECASE)
    shown = " ".join(shown.split())
    return shown if len(shown) <= most else f"{shown[: most - 1].rstrip()}…"
