"""Checking language packs: half-filled ones, weak ones, translated ones; what a project has of a language."""

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from curation.checking.checks import check_file, check_pack
from curation.checking.commands import app
from curation.checking.coverage import coverage
from curation.checking.echoes import find_echoes, pack_vectors, seeds_of
from curation.checking.findings import Finding
from curation.checking.people import people_findings, people_of
from curation.checking.replies import read_refusals
from curation.checking.wording import dead_phrases, firings, matcher
from curation.embedding import unit_rows
from curation.errors import InputError, PackError
from curation.languages.blank import blank_pack, new_pack
from curation.languages.packs import BUILT_IN, load_pack, read_pack
from curation.languages.reading import draft_pack
from curation.records import Response, Triage, digest
from curation.testing import seed

PACKS = {code: load_pack(code) for code in ("en", "es", "sw", "th")}
SW = (BUILT_IN / "sw.toml").read_text(encoding="utf-8")


class Meanings:
    """Vectors by meaning: texts of one group are the same, all others are far apart."""

    def __init__(self, *groups: Sequence[str], alike: float = 0.95) -> None:
        self.alike = alike
        self.group = {text: f"group {number}" for number, texts in enumerate(groups) for text in texts}
        self.calls = 0

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.calls += 1
        return unit_rows(np.stack([self._vector(text) for text in texts]))

    def _vector(self, text: str) -> np.ndarray:
        noise = self._draw(text)
        return self.alike * self._draw(self.group[text]) + (1 - self.alike) * noise if text in self.group else noise

    def _draw(self, key: str) -> np.ndarray:
        return unit_rows(np.random.default_rng(int(digest(key)[:8], 16)).normal(size=(1, 96)).astype(np.float32))[0]


def kinds(found: Sequence[Finding], kind: str = "mend") -> set[str]:
    return {row.topic for row in found if row.kind == kind}


def written(tmp_path: Path, text: str, code: str = "sw") -> Path:
    path = tmp_path / f"{code}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def call(*arguments: object):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


# A pack to fill in


@pytest.mark.parametrize("source", ["en", "th"])
def test_a_new_pack_has_every_section_and_the_check_names_every_empty_field(tmp_path: Path, source: str) -> None:
    path = tmp_path / "xx.toml"
    new_pack("xx", PACKS[source], path)
    draft = draft_pack(path)
    text = path.read_text(encoding="utf-8")
    empty = len(re.findall(r'^[\w]+ = (?:""(?:\s*#.*)?|"""\n""")$', text, re.MULTILINE))
    lists = len(re.findall(r"^(?:full|partial|hedging|frames) = \[$", text, re.MULTILINE))
    assert all(row.blank for row in draft.problems) and len(draft.problems) == empty + lists
    assert all(text.splitlines()[row.line - 1] for row in draft.problems if row.line)
    found = check_file(path, others=PACKS)
    assert {"empty", "benign seeds", "refusal phrases", "grammar combinations", "benign categories"} <= kinds(found)
    with pytest.raises(PackError, match=r"line \d+: .*empty.*more"):
        read_pack(path)


def test_the_texts_of_the_other_pack_stand_in_it_as_comments_only() -> None:
    text = blank_pack("xx", PACKS["en"], "xx.toml")
    for line in ("How do I", PACKS["en"].title, PACKS["en"].full_refusals[0]):
        assert all(each.lstrip().startswith("#") or " # " in each for each in text.splitlines() if line in each)
    assert "\n# " in text and PACKS["en"].guidelines.splitlines()[0] in text


def test_comments_cannot_break_out_of_their_line(tmp_path: Path) -> None:
    hostile = dataclasses.replace(
        PACKS["en"], title='x\ncode = "evil"\r\n"""', guidelines="a\n\u2028b\n[refusals]\x85full = 1"
    )
    hostile = dataclasses.replace(hostile, options={**hostile.options, "benign": "one\ntwo = 1"})
    draft = draft_pack(written(tmp_path, blank_pack("xx", hostile, "xx.toml"), "xx"))
    assert draft.pack.code == "xx" and all(row.blank for row in draft.problems)


def test_nothing_is_overwritten_and_codes_cannot_leave_the_folder(tmp_path: Path) -> None:
    path = written(tmp_path, "mine", "xx")
    with pytest.raises(InputError, match="exists already"):
        new_pack("xx", PACKS["en"], path)
    assert path.read_text() == "mine"
    for code in ("../evil", "EN", "x", "swahili", "sw/../x", "", "pt_BR", "sw\n"):
        with pytest.raises(InputError, match="no language code"):
            new_pack(code, PACKS["en"], tmp_path / "new.toml")
    with pytest.raises(InputError, match="not named after"):
        new_pack("xy", PACKS["en"], tmp_path / "new.toml")


# Half-filled and broken files


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_any_lines_may_be_missing_and_the_check_still_says_what_is_wrong(tmp_path_factory, data) -> None:
    lines = SW.splitlines()
    start = data.draw(st.integers(0, len(lines) - 1))
    count = data.draw(st.integers(1, 400))
    path = written(tmp_path_factory.mktemp("cut"), "\n".join(lines[:start] + lines[start + count :]))
    try:
        found = check_file(path, others={"sw": PACKS["sw"]})
    except PackError as exc:  # not TOML any more
        assert "not valid TOML" in str(exc) and "line" in str(exc)
        return
    complete = PACKS["sw"]
    try:
        pack = read_pack(path)
    except PackError:
        assert kinds(found)
    else:
        assert seeds_of(pack) == seeds_of(complete) or len(seeds_of(pack)) < len(seeds_of(complete)) or pack != complete


@pytest.mark.parametrize("raw", [
    "", "code = 3", 'code = "sw"\nannotation = 1\nrefusals = []\nbenign = "x"\nharmful = [1]\nharmless = [[]]\ngrammar = {}',
    'code = "sw"\nscript = "Latin"\n[[grammar]]\ncategory = "fiction"\nframes = ["{a}"]\n[grammar.slots]\na = "x"',
    'code = "sw"\n[annotation]\noptions = 3\nreason = 4\n[annotation.category]\noptions = []\n[refusals]\nfull = [1]',
    'code = "sw"\n[[harmful]]\ncategory = "fraud"\ntext = "x"\ncontrast = ["y"]\n[[benign]]\ncategory = []\ntext = "z"',
    'code = "sw"\n[[grammar]]\ncategory = "fiction"\nframes = ["{b}"]\n[grammar.slots]\na = ["x"]',
])  # fmt: skip
def test_wrong_types_are_findings_and_no_crash(tmp_path: Path, raw: str) -> None:
    found = check_file(written(tmp_path, raw), others={})
    assert "file" in kinds(found)


def test_a_pack_in_another_language_than_its_file_says(tmp_path: Path) -> None:
    named = written(tmp_path, SW, "th")
    found = check_file(named, others={})
    assert any("code is 'sw', the file is named 'th'" in row.text and row.line == 1 for row in found)
    claimed = written(
        tmp_path, SW.replace('code = "sw"', 'code = "th"').replace('script = "Latn"', 'script = "Thai"'), "th"
    )
    assert {"benign", "harmful", "harmless", "grammar", "form"} <= kinds(check_file(claimed, others={}))


def test_english_left_in_a_pack_is_found(tmp_path: Path) -> None:
    english = re.sub(
        r"^title = .*\nquestion = .*$",
        'title = "Is this request harmless?"\nquestion = "How would you judge it?"',
        SW,
        count=1,
        flags=re.MULTILINE,
    )
    texts = [row.text for row in PACKS["en"].harmless[:9]]
    left = re.sub(
        r"(\[\[harmless\]\]\ntext = ).*",
        lambda match: match[1] + json.dumps(texts.pop()) if texts else match[0],
        english,
    )
    found = check_file(written(tmp_path, left), others={})
    assert {"form", "harmless"} <= kinds(found)
    lines = left.splitlines()
    notes = [row for row in found if row.topic == "harmless" and row.kind == "note"]
    assert len(notes) >= 7 and all(lines[row.line - 1].startswith("text = ") for row in notes)


def test_a_damaged_file_is_one_clear_error(tmp_path: Path) -> None:
    for raw in (b"\xff\xfe", b"code = ", b"\x00"):
        (tmp_path / "sw.toml").write_bytes(raw)
        with pytest.raises(PackError, match=r"sw\.toml"):
            draft_pack(tmp_path / "sw.toml")


# Phrases


def test_a_phrase_that_fires_on_a_warning_or_a_prompt_is_found() -> None:
    pack = PACKS["en"]
    assert kinds(check_pack(pack, others={})) == set()
    warning = dataclasses.replace(
        pack, full_refusals=(*pack.full_refusals, "consult a"), hedging=(*pack.hedging, "please consult a lawyer")
    )
    assert any("warning" in row.text for row in check_pack(warning, others={}) if row.kind == "mend")
    common = dataclasses.replace(pack, full_refusals=(*pack.full_refusals, "how do i"))
    assert any("'how do i' fires on" in row.text for row in check_pack(common, others={}) if row.kind == "mend")
    short = dataclasses.replace(pack, full_refusals=(*pack.full_refusals, "no,"))
    assert any("by chance" in row.text for row in check_pack(short, others={}))
    twice = dataclasses.replace(pack, partial_refusals=(*pack.partial_refusals, pack.full_refusals[3].upper()))
    assert any("keep one" in row.text for row in check_pack(twice, others={}) if row.kind == "mend")


def test_a_phrase_begins_where_a_word_begins_unless_words_are_not_spaced() -> None:
    assert matcher("i can't", "Latn").search("sorry, i can't") and not matcher("art is", "Latn").search("smart is")
    assert matcher("ไม่สามารถ", "Thai").search("ฉันไม่สามารถช่วย")
    assert matcher("i can't ... with", "Latn").search("i can't help you with that") and not matcher(
        "a ... b", "Latn"
    ).search("a. b")
    assert [row.phrase for row in firings(["(unclosed", "a+"], "Latn", ["(unclosed a+"])] == ["(unclosed", "a+"]


def test_phrases_are_tried_on_refusals_that_are_known(tmp_path: Path) -> None:
    pack = PACKS["es"]
    assert dead_phrases(pack) == []
    (tmp_path / "a.txt").write_text(
        "\n".join(f"{phrase} eso." for phrase in pack.full_refusals[:20]) + "\n\n", encoding="utf-8"
    )
    rows = [
        {"response": "Claro, aquí tienes.", "label": "full_compliance"},
        {"response": "Ni hablar, vaya pregunta.", "label": "full_refusal"},
    ]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    known = read_refusals(tmp_path)
    assert len(known) == 21 and "Claro, aquí tienes." not in known
    found = [row for row in check_pack(pack, others={}, refusals=known) if row.topic == "known refusals"]
    assert found[0] == Finding("known refusals", "good", "20 of 21 are recognised")
    assert "Ni hablar" in found[1].text and "phrases fire in none" in found[2].text
    strangers = ["Quia absurdum est.", "Non possumus."] * 3
    assert "known refusals" in kinds(check_pack(pack, others={}, refusals=strangers))
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "none.txt"):
        with pytest.raises(InputError):
            read_refusals(path)


# Meanings


def test_seeds_that_say_the_same_and_translated_packs_are_found(cached) -> None:
    en, sw = PACKS["en"], PACKS["sw"]
    assert kinds(check_pack(sw, others=PACKS, encoder=Meanings())) == set()
    same = Meanings((sw.benign[0].text, sw.benign[5].text))
    found = [row for row in check_pack(sw, others=PACKS, encoder=same) if row.topic == "meaning"]
    assert (
        [row.kind for row in found] == ["mend"]
        and sw.benign[0].text in found[0].text
        and sw.benign[5].text in found[0].text
    )
    contrast = Meanings((sw.benign[0].text, sw.harmful[0].text))  # benign and harmful ones are paired on purpose
    assert find_echoes(sw, {}, contrast, "x").inside == []
    pairs = list(zip([row.text for row in seeds_of(sw)], [row.text for row in seeds_of(en)], strict=False))
    translated = check_pack(sw, others=PACKS, encoder=Meanings(*pairs), encoder_name="translated")
    assert any("'en'" in row.text and row.kind == "mend" for row in translated)
    assert any(row.kind == "note" and " | en: " in row.text for row in translated)
    few = check_pack(sw, others=PACKS, encoder=Meanings(*pairs[:5]), encoder_name="few")
    assert kinds(few) == set() and sum(" | en: " in row.text for row in few) == 5


def test_vectors_of_other_packs_are_made_once_and_a_broken_cache_is_made_again(cached) -> None:
    encoder = Meanings()
    first = pack_vectors(PACKS["th"], encoder, "meanings")
    assert (pack_vectors(PACKS["th"], encoder, "meanings") == first).all() and encoder.calls == 1
    (file,) = (cached / "vectors").iterdir()
    file.write_bytes(file.read_bytes()[:40])
    assert (pack_vectors(PACKS["th"], encoder, "meanings") == first).all() and encoder.calls == 2


def test_a_pack_with_few_seeds_is_not_compared() -> None:
    thin = dataclasses.replace(PACKS["en"], benign=PACKS["en"].benign[:3], harmful=(), harmless=())
    found = check_pack(thin, others=PACKS, encoder=Meanings())
    assert "benign seeds" in kinds(found) and any("not yet compared" in row.text for row in found)


# A project's languages, and the commands


def test_who_looks_at_a_language(workspace, write) -> None:
    row = seed("How do I kill a Python process?")
    write("seeds", [row])
    assert people_of(workspace)["en"] == (0, 0, 0)
    assert {"annotators"} == kinds(people_findings(workspace, "en"), "note")
    write("triage", [Triage(row.id, "confirm", 1.0, "demo-en-b001", "")], Triage)
    write("responses", [Response(row.id, "demo-en-b001", "ada", "benign", False, "2025-01-01T00:00:00")], Response)
    folder = workspace.root / "annotation"
    folder.mkdir()
    (folder / "accounts.json").write_text(
        json.dumps({"server": {"en-annotator-1": "secret", "xx-annotator-1": "secret"}})
    )
    assert people_of(workspace)["en"] == (2, 1, 1)
    assert kinds(people_findings(workspace, "en"), "good") == {"annotators"}
    assert kinds(people_findings(workspace, "th"), "note") == {"project"}
    (folder / "accounts.json").write_text("{")
    assert people_of(workspace)["en"] == (1, 1, 1)


def test_the_whole_way_by_commands(workspace) -> None:
    project = workspace.root
    assert call("new", "xx", "--from", "es", "-p", project).exit_code == 0
    path = project / "languages" / "xx.toml"
    assert call("check", "xx", "-p", project, "--quick").exit_code == 1
    found = json.loads(call("check", path, "--quick", "--json").stdout)
    assert {"topic", "kind", "text", "line"} == set(found[0]) and any(row["kind"] == "mend" for row in found)
    status = {row["code"]: row for row in json.loads(call("status", "-p", project, "--json").stdout)}
    assert (
        status["xx"]["origin"] == "project"
        and "to fill in" in status["xx"]["state"]
        and status["en"]["annotators"] == 0
    )
    assert status["sw"]["state"] == "ready" and "annotators" not in status["sw"]
    path.write_text(SW.replace('code = "sw"', 'code = "xx"'), encoding="utf-8")
    assert call("check", "xx", "-p", project, "--quick").exit_code == 0
    path.write_text("code = ", encoding="utf-8")
    assert (
        "not valid TOML"
        in {row["code"]: row for row in json.loads(call("status", "-p", project, "--json").stdout)}["xx"]["state"]
    )
    assert "ready" in call("status", "-p", project).stdout


def test_new_needs_a_project_or_a_place_and_no_language_that_is_there(tmp_path: Path, workspace) -> None:
    with pytest.raises(InputError, match="no project"):
        call("new", "xx", "-p", tmp_path / "nowhere")
    with pytest.raises(InputError, match="built-in pack 'sw'"):
        call("new", "sw", "-p", workspace.root)
    assert call("new", "sw", "--out", tmp_path / "sw.toml").exit_code == 0
    with pytest.raises(PackError, match="morbench language new xx"):
        call("check", "xx", "-p", workspace.root)


def test_every_pack_that_stands_is_covered(tmp_path: Path) -> None:
    found = coverage(tmp_path)
    assert {row.state for row in found} == {"ready"} and {row.counts.code for row in found} >= {"en", "sw", "th"}


@pytest.fixture
def cached(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("MORBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
