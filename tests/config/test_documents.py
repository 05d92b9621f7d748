from pathlib import Path

import pytest
from pydantic import Field

from include.common.errors import ConfigError
from include.config.documents import Strict, parse, read


class Inner(Strict):
    threshold: int = 1


class Outer(Strict):
    name: str = ""
    parts: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = Field(default={})


def write(folder: Path, text: str) -> Path:
    path = folder / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("name: a\nnmae: b\n", 2, "did you mean name?"),
        ("parts:\n  - threshold: 1\n  - thresold: 2\n", 3, "did you mean threshold?"),
        ("by_name:\n  x:\n    thresholds: 2\n", 3, "did you mean threshold?"),
        ("name: a\nzebra: b\n", 2, "known here: by_name, name, parts"),
        ("parts:\n  - threshold: many\n", 2, "got 'many'"),
        ("name: a\nname: b\n", 2, "set twice, first on line 1"),
        ("name: [a\n", 2, "not valid YAML"),
        ("name: 'a\n\n", 3, "not valid YAML"),
        ("- a\n", 1, "must be a mapping"),
    ],
)
def test_error_names_file_line_and_the_likely_key(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        parse(path, Outer)
    assert f"{path}:{line}:" in str(caught.value)
    assert said in str(caught.value)


def test_every_error_in_a_file_is_listed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"file.yaml:2: .*and 1 more: .*file.yaml:1"):
        parse(write(tmp_path, "parts: 1\nbogus: 2\n"), Outer)


def test_yaml_words_stay_text(tmp_path: Path) -> None:
    """``NO``, ``yes`` and times of day stay text. Numbers and booleans keep their types."""
    data = read(write(tmp_path, "a: NO\nb: yes\nc: 12:30\nd: 012\ne: 10\nf: true\ng: -3\n")).data
    assert data == {"a": "NO", "b": "yes", "c": "12:30", "d": "012", "e": 10, "f": True, "g": -3}


def test_unreadable_file_is_an_error_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "file.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "missing.yaml")


def test_empty_file_gives_all_defaults(tmp_path: Path) -> None:
    assert parse(write(tmp_path, "# nothing\n"), Outer) == Outer()
