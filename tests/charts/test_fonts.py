"""Charts show Chinese where a font for it is installed, and have English labels where none is."""

from __future__ import annotations

from pathlib import Path

import pytest
import vl_convert

from include import config
from include.charts import fonts
from include.common.errors import ConfigError
from include.reports import pdf

needs_font = pytest.mark.skipif(fonts.cjk() is None, reason=f"no font for Chinese is installed: {fonts.CURE}")


def _png(text: str) -> bytes:
    mark = {"type": "text", "encode": {"enter": {"x": {"value": 20}, "y": {"value": 30}, "text": {"value": text}}}}
    return vl_convert.vega_to_png({"width": 60, "height": 40, "marks": [mark]}, allowed_base_urls=[])


@needs_font
def test_drawn_characters_are_no_boxes() -> None:
    font = fonts.cjk()
    assert font
    vl_convert.register_font_directory(str(font.parent))
    # Characters without a glyph are all drawn as the same box, or not at all.
    assert len({_png(sign) for sign in "续约健康分"}) == 5


@needs_font
def test_pdf_embeds_a_font_for_chinese() -> None:
    if reason := pdf.why_not():
        pytest.skip(reason)
    with_chinese, without = (pdf.of(f"<p>{text}</p>") for text in ("续约健康分", "renewal"))
    assert len(with_chinese) > len(without)


@pytest.fixture
def no_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "cjk", lambda: None)


def _readers(folder: Path, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "config").mkdir()
    readers = f"readers: {{ada@example.com: {{language: {language}}}}}\n"
    (folder / "config" / "people.yaml").write_text(readers)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(folder))


@pytest.mark.parametrize(("language", "drawn", "is_missing"), [("de", ["en", "de"], False), ("zh_CN", ["en"], True)])
def test_without_a_font_charts_are_english_and_status_warns(
    no_font: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, drawn: list[str], is_missing: bool
) -> None:
    _readers(tmp_path, language, monkeypatch)
    assert config.load().languages == ["en", language]
    assert fonts.languages() == drawn
    assert bool(fonts.why_not()) is is_missing


def test_with_a_font_charts_are_drawn_in_chinese_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "cjk", lambda: tmp_path / "wqy-microhei.ttc")
    _readers(tmp_path, "zh_CN", monkeypatch)
    assert fonts.languages() == ["en", "zh_CN"]
    assert fonts.why_not() == ""


def test_pdf_with_boxes_is_refused(no_font: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "why_not", lambda: "")
    with pytest.raises(ConfigError, match="boxes"):
        pdf.of("<p>续约</p>")
