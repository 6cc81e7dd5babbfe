from pathlib import Path

import pytest

from curation.config import config_text, load_config
from curation.errors import ConfigError


def load(tmp_path: Path, text: str):
    (tmp_path / "morbench.toml").write_text(text, encoding="utf-8")
    return load_config(tmp_path / "morbench.toml")


GOOD = '[project]\nname = "demo"\nlanguages = ["en", "es"]\n'


def test_the_written_file_is_complete_and_means_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, config_text("demo", ("en", "es"))) == load(tmp_path, GOOD)


def test_an_unknown_key_is_refused_with_file_line_and_what_was_meant(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD + "\n[duplicates]\ntreshold = 0.8\n")
    line = str(caught.value)
    assert "morbench.toml, line 6" in line and "duplicates.treshold" in line and "did you mean 'threshold'" in line
    assert "\n" not in line


@pytest.mark.parametrize(("text", "said"), [
    ("[project]\nname = \"x\"\n", "'project.languages' is missing"),
    (GOOD + "[duplicates]\nthreshold = 3\n", "line 5"),
    (GOOD + "[queue\n", "not valid TOML"),
    ('[project]\nname = "x"\nlanguages = ["en", "en"]\n', "names a language twice"),
    (GOOD + '[[targets]]\nname = "a"\nmodel = "m"\n[[targets]]\nname = "a"\nmodel = "n"\n', "differ"),
], ids=["missing", "out of range", "syntax", "language twice", "target twice"])  # fmt: skip
def test_mistakes_are_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match="(?s)" + said) as caught:
        load(tmp_path, text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("old", "new", "line", "said"), [
    ("count = 48", "count = -1", 'count = -1', "writers.2.count"),
    ("per_language = 60", "per_language = 1000", "per_language = 1000", "queue.per_language"),
    ("quotas = {}", "quotas = { en = 1000 }", "quotas = { en", "queue.quotas.en"),
    ('model = "reference-en"', 'modl = "reference-en"', 'modl = "reference-en"', "did you mean 'model'"),
    ('name = "reference-en"\n', "", "[[targets]]\nmodel", "'targets.1.name' is missing"),
    ("[queue]", "[qeue]", "[qeue]", "did you mean 'queue'"),
    ("[project]", "colour = 1\n[project]", "colour", "unknown key 'colour'"),
], ids=["second of a kind", "key of two sections", "nested", "misspelt", "missing", "section", "before sections"])  # fmt: skip
def test_the_line_is_that_of_the_key_in_its_own_section(
    tmp_path: Path, old: str, new: str, line: str, said: str
) -> None:
    text = config_text("demo", ("en",))
    assert text.count(old) == 1
    text = text.replace(old, new)
    number = text[: text.index(line)].count("\n") + 1
    with pytest.raises(ConfigError, match=said) as caught:
        load(tmp_path, text)
    assert f"morbench.toml, line {number}: " in str(caught.value)


def test_not_utf8_and_not_there(tmp_path: Path) -> None:
    (tmp_path / "morbench.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "morbench.toml")
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path / "morbench.toml" / "morbench.toml")


def test_settings_cannot_be_changed_after_reading(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    with pytest.raises(ValueError, match="frozen"):
        config.duplicates.threshold = 0.5  # type: ignore[misc]


def test_a_target_is_asked_its_languages_only(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    assert [target.name for target in config.targets_for("en")] == ["reference", "reference-en"]
    assert [target.name for target in config.targets_for("es")] == ["reference"]
