from pathlib import Path

import pytest

from curation.checking.checks import check_pack
from curation.checking.coverage import describe_pack, shortfalls, thin_categories
from curation.errors import PackError
from curation.languages.packs import BUILT_IN, Pack, available_languages, load_pack, read_pack

CODES = available_languages()
EN = (BUILT_IN / "en.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def packs() -> dict[str, Pack]:
    return {code: load_pack(code) for code in CODES}


def changed(tmp_path: Path, text: str, name: str = "en.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_five_packs_are_built_in() -> None:
    assert {"ar", "de", "en", "es", "zh"} <= set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_built_in_pack_is_rich_enough(code: str) -> None:
    pack = load_pack(code)
    assert {name: counts for name, counts in shortfalls(pack).items() if counts[0] < counts[1]} == {}
    assert thin_categories(pack) == {"benign": {}, "harmful": {}}
    assert describe_pack(pack).form == 6


@pytest.mark.parametrize("code", CODES)
def test_every_combination_fills_all_its_slots(code: str) -> None:
    for block in load_pack(code).grammar:
        for text, slots in block.combinations():
            assert "{" not in text and "}" not in text
            assert all(value in text for name, value in slots.items() if name != "frame")


@pytest.mark.parametrize("code", CODES)
def test_the_check_finds_nothing_to_mend_in_a_built_in_pack(code: str, packs: dict[str, Pack]) -> None:
    assert [finding for finding in check_pack(packs[code], others=packs) if finding.kind == "mend"] == []


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


@pytest.mark.parametrize(("old", "new", "line"), [
    ('title = "', 'titel = "', "[annotation]"), ('category = "homonyms"\ntext', 'category = "homonym"\ntext', "[[benign]]"),
    ('note = "', 'note = ""  # "', "note ="), ("[annotation.reason.options]\n", "[annotation.reason.options]\nmood = \"x\"\n", "mood"),
], ids=["unknown key", "unknown category", "empty", "unknown answer"])  # fmt: skip
def test_an_error_names_its_line(tmp_path: Path, old: str, new: str, line: str) -> None:
    assert old in EN
    path = changed(tmp_path, EN.replace(old, new, 1))
    with pytest.raises(PackError) as caught:
        read_pack(path)
    number = int(str(caught.value).split("line ")[1].split(":")[0])
    lines = path.read_text(encoding="utf-8").splitlines()
    assert any(line in each for each in lines[max(0, number - 3) : number + 1])


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_reads_the_same(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_bytes(b"\xef\xbb\xbf" + EN.replace("\n", "\r\n").encode())
    assert read_pack(tmp_path / "en.toml").benign == load_pack("en").benign
