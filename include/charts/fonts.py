"""Find a font for Chinese, Japanese and Korean: without one, drawings and PDFs show boxes in place of their characters.

Debian's package ``fonts-wqy-microhei`` has one, and the image installs it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from include import config
from include.common import texts

CURE = "apt-get install fonts-wqy-microhei, or copy another font for Chinese to ~/.fonts"
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts", "/System/Library/Fonts")
_NAMES = re.compile(r"(?i)wqy|cjk|sourcehan|uming|ukai|droidsansfallback|pingfang|simsun|simhei|msyh|hiragino")
_CJK = ("zh", "ja", "ko")
_SIGNS = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@cache
def cjk() -> Path | None:
    """Return a font for Chinese, Japanese and Korean; None if none is installed."""
    for folder in _FOLDERS:
        for path in sorted(Path(folder).expanduser().rglob("*")):
            if path.suffix.lower() in (".ttf", ".ttc", ".otf", ".otc") and _NAMES.search(path.name):
                return path
    return None


def can_show(language: str) -> bool:
    """Return whether drawings can show a language's characters."""
    return not language.startswith(_CJK) or cjk() is not None


def why_not(html: str = "") -> str:
    """Return which languages a PDF or drawing cannot show; "" if all can be shown.

    Args:
        html: A page to show. By default, the languages that the settings name are checked.
    """
    if cjk() is not None:
        return ""
    if html:
        return "no font for Chinese is installed: its characters would be boxes" if _SIGNS.search(html) else ""
    missing = [one for one in config.load().languages if not can_show(one)]
    if not missing:
        return ""
    return f"no font for {', '.join(missing)} is installed: charts have English labels, and there are no PDFs"


def languages() -> list[str]:
    """Return the languages in which charts are drawn: English, and those of the settings that can be shown."""
    return [texts.ENGLISH, *(one for one in config.load().languages if one != texts.ENGLISH and can_show(one))]
