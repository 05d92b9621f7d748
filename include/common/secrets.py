"""Redact secrets from errors and logs. Every ``PerennialError`` passes through here.

Two kinds are redacted: the secrets of connections that this process has read, in every form in which a vendor may echo
them; and any text that looks like a secret.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from html import escape
from urllib.parse import quote, quote_plus

HIDDEN = "***"
# Shorter ones would match ordinary words.
_MIN_LENGTH = 8
_MAX_KNOWN = 200
_MAX_LENGTH = 20_000
_known: dict[str, None] = {}
_NAMES = (
    r"(?:[\w-]{0,30}(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)"
    r"[\w-]{0,30})"
)
# A value next to such a name only counts if it looks like a secret: "password: how do I reset it?" is a ticket.
_MIXED = r"(?=[\w.~+/=!-]{0,200}\d)(?=[\w.~+/=!-]{0,200}[a-z])[\w.~+/=!-]"
# After the name of a scheme, letters alone are a word: "Basic authentication failed".
_NO_WORD = r"(?!(?-i:[A-Z]?[a-z]{1,20}|[A-Z]{1,20})(?![\w~+/=-]))"
_FORMS = tuple(
    (re.compile(pattern), shown)
    for pattern, shown in (
        # HubSpot, Slack, GitHub, GitLab, SendGrid, Google, Stripe and others give their tokens a fixed prefix.
        (
            r"(?i)\b(?:pat-[a-z0-9]+-[a-z0-9-]{8,}|xox[a-z]-[\w-]{6,}|xapp-[\w-]{6,}|gh[a-z]_\w{16,}|github_pat_\w{16,}"
            r"|glpat-[\w-]{16,}|SG\.[\w-]{16,}\.[\w-]{16,}|AIza[\w-]{30,}|sk[-_]\w{16,})",
            HIDDEN,
        ),
        (r"\beyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?", HIDDEN),  # a JSON web token
        (r"\b00D\w{12,15}![\w.]{16,}", HIDDEN),  # a Salesforce session id
        (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", HIDDEN),
        (r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{0,9000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?", HIDDEN),
        (rf"(?i)\b(bearer|basic)\s+{_NO_WORD}[\w.~+/=-]{{6,}}", rf"\1 {HIDDEN}"),
        (
            r"(?i)\b(authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token|digest|ssws|apikey)\s+)[^\s\"',;]+",
            rf"\1{HIDDEN}",
        ),
        (rf"(?i)\b(authorization[\"']?\s*[:=]\s*[\"']?){_MIXED}{{8,}}", rf"\1{HIDDEN}"),
        (r"(?i)\b((?:set-)?cookie[\"']?\s*:\s*)[^\"'\n=]{0,200}=[^\"'\n]*", rf"\1{HIDDEN}"),
        # Credentials in a URL. A password may hold `@` and `/` that should be quoted; a port and a path are none.
        (
            r"(?i)(://[^\s/:]{0,200}:)"
            r"(?:[^\s/@]{1,500}@(?:[^\s\"'<>]{0,500}@)?|(?!\d{1,5}/)[^\s\"'<>]{1,500}@)",
            rf"\1{HIDDEN}@",
        ),
        # The URL of a webhook is its secret.
        (r"(?i)\b(hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/)[^\s\"'<>]+", rf"\1{HIDDEN}"),
        (r"(?i)\b([\w.-]{1,60}/(?:webhook|webhookb2|bot/v2/hook)/)[^\s\"'<>]+", rf"\1{HIDDEN}"),
        # Quotes may be escaped, as in JSON inside JSON.
        (rf"(?i)\b({_NAMES}\\{{0,3}}[\"']?\s*[:=]\s*)\\{{1,3}}\"[^\"]*\"", rf"\1{HIDDEN}"),
        (rf"(?i)\b({_NAMES}[\"']?\s*[:=]\s*)(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')", rf"\1{HIDDEN}"),
        (rf"(?i)\b({_NAMES}[\"']?=)[^&\s\",;)]+", rf"\1{HIDDEN}"),
        (rf"(?i)\b({_NAMES}[\"']?\s*[:=]\s*){_MIXED}{{8,}}", rf"\1{HIDDEN}"),
        (rf"(?i)({_NAMES}(?:%22)?(?:%3D|%3A)(?:%22)?|{_NAMES}\\u003d)[^&\s\"'%]+", rf"\1{HIDDEN}"),
        (rf"(?i)(<({_NAMES}|sessionid)>)[^<]+(?=</)", rf"\1{HIDDEN}"),
        # "key" alone also names a column, a table's key or an entry of a file.
        (r"(?i)([?&](?:key|sig|sign|signature|x-amz-signature|code)=)[^&\s\"']+", rf"\1{HIDDEN}"),
        (rf"(?i)\b(?<![\w])(key[\"']?\s*[:=]\s*[\"']?){_MIXED}{{16,}}", rf"\1{HIDDEN}"),
        (rf"(?i)\b((?:AccountKey|X-[\w-]{{0,20}}Key)[\"']?\s*[:=]\s*[\"']?){_MIXED}{{8,}}", rf"\1{HIDDEN}"),
    )
)


def remember(secrets: Iterable[str]) -> None:
    """Redact these secrets from now on. Skip those under 8 characters, which would match ordinary words."""
    for secret in secrets:
        if len(secret) >= _MIN_LENGTH and secret not in _known:
            if len(_known) >= _MAX_KNOWN:
                del _known[next(iter(_known))]
            _known[secret] = None


def hidden(text: str, *secrets: str) -> str:
    """Return a text with all secrets redacted: known ones, the given ones, and text that looks like one.

    Args:
        text: The text about to be shown.
        secrets: Further secrets to redact, however short. Empty ones are ignored.
    """
    if len(text) > _MAX_LENGTH:
        # Cut between words: half a secret would not be recognized.
        text = f"{text[:_MAX_LENGTH].rpartition(' ')[0]}…"
    for secret in sorted({*_known, *(one for one in secrets if one)}, key=len, reverse=True):
        for form in _forms(secret):
            if form in text:
                text = text.replace(form, HIDDEN)
    for pattern, shown in _FORMS:
        text = pattern.sub(shown, text)
    return text


@lru_cache(maxsize=512)
def _forms(secret: str) -> tuple[str, ...]:
    """Return the encodings in which a secret may be sent or echoed, longest first."""
    found: set[str] = set()
    for one in {secret, " ".join(secret.split())}:  # errors are shown as one line
        plain = {one, repr(one)[1:-1], repr(one.encode())[2:-1]}
        plain |= {json.dumps(one, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False)}
        marked = escape(one)
        quoted = {quote(one, safe=""), quote(one), quote_plus(one)}
        found |= plain | {each.replace("/", r"\/") for each in plain}
        found |= {marked, marked.replace("&#x27;", "&#39;").replace("&quot;", "&#34;"), escape(one, quote=False)}
        found |= quoted | {re.sub(r"%[0-9A-F]{2}", lambda sign: sign[0].lower(), each) for each in quoted}
    if len(secret) >= _MIN_LENGTH:
        # Inside a longer text, such as `login:secret`, its base64 starts at one of three offsets.
        for before in range(3):
            coded = base64.b64encode(b"\0" * before + secret.encode()).decode().rstrip("=")
            start = (before * 8 + 5) // 6
            inner = coded[start : len(coded) - 1]
            found |= {inner, inner.replace("+", "-").replace("/", "_"), quote(inner, safe="")}
    return tuple(sorted((form for form in found if form), key=len, reverse=True))
