from pathlib import Path

import pytest

from curation.errors import PackError
from curation.languages.checks import check_pack, describe_pack
from curation.languages.packs import BUILT_IN, available_languages, load_pack, read_pack

CODES = available_languages()
EN = (BUILT_IN / "en.toml").read_text(encoding="utf-8")


def changed(tmp_path: Path, text: str, name: str = "en.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_five_packs_are_built_in() -> None:
    assert {"ar", "de", "en", "es", "zh"} <= set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_built_in_pack_is_rich_enough(code: str) -> None:
    counts = describe_pack(load_pack(code))
    assert counts.benign >= 40 and counts.categories >= 10
    assert counts.harmful >= 30 and counts.harmless >= 40
    assert counts.phrases >= 25 and counts.combinations >= 100


@pytest.mark.parametrize("code", CODES)
def test_every_combination_fills_all_its_slots(code: str) -> None:
    for block in load_pack(code).grammar:
        for text, slots in block.combinations():
            assert "{" not in text and "}" not in text
            assert all(value in text for name, value in slots.items() if name != "frame")


@pytest.mark.parametrize("code", CODES)
def test_the_check_finds_nothing_to_mend_in_a_built_in_pack(code: str) -> None:
    assert [finding for finding in check_pack(load_pack(code)) if finding.kind == "mend"] == []


@pytest.mark.parametrize(("old", "new", "said"), [
    ("[refusals]", "[refusalz]", "'refusals' is missing"),
    ('script = "Latn"', 'script = "Latn"\nfriend = 1', "unknown section 'friend'"),
    ('code = "en"', 'code = "fr"', "the file is named 'en'"),
    ("[annotation.options]", "[annotation.optionz]", "annotation.options"),
    ('code = "en"', 'code = ', "not valid TOML"),
], ids=["missing section", "unknown section", "other code", "options", "syntax"])  # fmt: skip
def test_a_broken_pack_is_named_with_what_is_wrong(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(PackError, match=said) as caught:
        read_pack(changed(tmp_path, EN.replace(old, new, 1)))
    assert "en.toml" in str(caught.value) and "\n" not in str(caught.value)


def test_a_seed_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    first = load_pack("en").benign[0].text
    text = EN + f'\n[[benign]]\ntext = {first.upper()!r}\ncategory = "homonyms"\n'
    with pytest.raises(PackError, match="duplicate seed"):
        read_pack(changed(tmp_path, text))


def test_not_utf8_not_there_and_unknown(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_bytes(EN.encode() + b"# \xff")
    with pytest.raises(PackError, match="not UTF-8"):
        read_pack(tmp_path / "en.toml")
    with pytest.raises(PackError, match="cannot read"):
        read_pack(tmp_path / "none.toml")
    with pytest.raises(PackError, match="no language pack 'xx'"):
        load_pack("xx")


def test_a_projects_own_pack_comes_first(tmp_path: Path) -> None:
    changed(tmp_path, EN.replace('name = "English"', 'name = "My English"', 1))
    assert load_pack("en", tmp_path).name == "My English"
    assert load_pack("de", tmp_path).name == load_pack("de").name


def test_the_check_says_what_a_thin_pack_lacks() -> None:
    import dataclasses

    thin = dataclasses.replace(load_pack("en"), benign=load_pack("en").benign[:3])
    assert ("benign seeds", "mend") in {(finding.topic, finding.kind) for finding in check_pack(thin)}
