"""Mail bodies: complete as HTML and text, escaped, well-formed."""

from __future__ import annotations

from html.parser import HTMLParser

from include.deliver.render import email, rooms, slack
from include.outbox.message import Evidence, Fact, Message
from tests.deliver.example_messages import MESSAGE

HOSTILE = "<script>alert(1)</script>\" onmouseover='x' & <b>"
_VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Collect text and tags, and check that every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(message: Message) -> Reader:
    reader = Reader()
    reader.feed(email.html(message))
    assert reader.open == []
    return reader


def test_html_and_text_bodies_are_complete() -> None:
    message = MESSAGE.with_note("This may be a repeat.")
    html, text = read(message).text, email.text(message)
    said = [message.subject, message.summary, *message.notes, message.why_now, *message.next_steps, message.footer]
    said += [part for fact in message.facts for part in (fact.label, fact.value)]
    said += [part for item in message.evidence for part in (item.text, item.source)]
    for part in said:
        assert part in html
        assert part in text
    assert message.links[0].url in text
    assert 'href="https://crm.example/company/1?a=1&amp;b=2"' in email.html(message)


def test_hostile_names_are_text() -> None:
    message = Message(
        subject=HOSTILE,
        summary=HOSTILE,
        notes=(HOSTILE,),
        facts=(Fact(label=HOSTILE, value=HOSTILE),),
        why_now=HOSTILE,
        evidence=(Evidence(text=HOSTILE, source=HOSTILE),),
        next_steps=(HOSTILE,),
        footer=HOSTILE,
    )
    reader = read(message)
    assert "script" not in reader.tags and "b" not in reader.tags
    assert reader.text.count("alert(1)") == 12
    assert "onmouseover='x'" not in email.html(message)


def test_empty_section_has_no_heading() -> None:
    html = read(Message(subject="x", summary="y")).text
    assert "What we see" not in html and "What to do next" not in html
    assert "WHY NOW" not in email.text(Message(subject="x", summary="y"))


def test_long_list_is_truncated_with_a_count() -> None:
    many = Message(subject="x", summary="y", evidence=tuple(Evidence(text=f"r{n}") for n in range(100)))
    assert "and 40 more" in email.text(many)
    assert "and 40 more" in read(many).text


def test_subject_length_is_limited() -> None:
    assert len(email.subject(Message(subject="x" * 500, summary="y"))) == 200


def test_right_to_left_name_does_not_reorder_the_figures_after_it() -> None:
    said = "شركة النور: 12,000 EUR", "Acme (אלמוג & בע״מ): 5%"
    message = Message(subject=said[0], summary=said[1], facts=(Fact(label="x", value=said[1]),))
    shown = "\u2067شركة النور\u2069: 12,000 EUR", "Acme (\u2067אלמוג & בע״מ\u2069): 5%"
    assert email.subject(message) == rooms.literal(message.subject) == shown[0]
    assert shown[1] in read(message).text and shown[1] in email.text(message)
    assert f"{shown[0]}. {shown[1]}".replace("&", "&amp;") == slack.fallback_text(message)


def test_url_in_a_name_is_not_linked_and_our_links_remain() -> None:
    evil = "Sons http://evil.example/login WWW.evil.example mailto:a@evil.example"
    message = Message(subject=evil, summary=evil, next_steps=(evil,), links=MESSAGE.links)
    ((_, room_lines),) = rooms.parts(message, "Ada", rooms.markdown, len, 9000)
    for shown in (email.text(message), str(room_lines), str(slack.blocks(message))):
        assert "http://evil" not in shown and "WWW.evil" not in shown and "mailto:a" not in shown
        assert "evil.example" in shown
    assert message.links[0].url in email.text(message)
