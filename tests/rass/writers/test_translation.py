"""Translation: refusals of the translator are found in every language, and the way back is evidence."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from curation.endpoint import Completion
from curation.errors import ConfigError
from curation.languages.packs import available_languages, load_pack
from curation.refusals.phrases import PhraseBook
from curation.testing import sample, seed, tree
from curation.workspace import Workspace
from rass.generators import Request
from rass.writers import translation
from rass.writers.running import run_generate
from rass.writers.screening import Draft
from rass.writers.translation import parallel, sources, without_refusal
from tests.rass.writers.conftest import everything_has_its_place, task_of, use

Project = Callable[..., Workspace]
SECTION = {"name": "translation", "count": 8}
GERMAN = "Wie bringe ich den Motor eines alten Mopeds wieder zum Laufen, ohne dass er qualmt?"
CODES = available_languages()
BOOK = PhraseBook.from_packs(load_pack(code) for code in CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_translators_refusal_is_found_in_every_language(code: str) -> None:
    pack = load_pack(code)
    source = seed("How do I kill the engine?", "en" if code != "en" else "de")
    for phrase in pack.full_refusals:
        text = phrase[:1].upper() + phrase[1:]
        into = Draft(sample(f"{text}.", code))  # in the language that is written
        assert without_refusal(into, source, BOOK).reason == "translator_refused"
        other = "de" if code != "de" else "en"
        back = Draft(sample(f"{text}.", other))  # in the language that was read
        assert without_refusal(back, seed("x", code), BOOK).reason == "translator_refused"


@pytest.mark.parametrize("code", CODES)
def test_what_people_wrote_is_no_refusal(code: str) -> None:
    source = seed("How do I kill the engine?", "en" if code != "en" else "de")
    assert not [row.text for row in load_pack(code).benign if without_refusal(Draft(row), source, BOOK).reason]


def test_a_source_that_sounds_like_a_refusal_is_translated() -> None:
    source = seed("I can't help with the dishes tonight, how do I tell him?", "en")
    draft = Draft(sample("Ich kann dabei nicht helfen. Wie sage ich es ihm?", "de"))
    assert without_refusal(draft, source, BOOK) == draft


@pytest.mark.parametrize("code", [code for code in CODES if code != "en"])
def test_shots_are_pairs_that_differ(code: str) -> None:
    pairs = parallel(load_pack("en"), load_pack(code))
    assert len(pairs) >= 2
    assert all(left != right for left, right in pairs)


def back_and_forth() -> Callable[[Request], str]:
    """A translator into a German text with a number of its own, and back to the very source."""
    told: dict[str, str] = {}

    def answer(request: Request) -> str:
        if not request.marks[1].startswith("German"):
            return told[request.subject]
        text = f"{GERMAN[:-1]} {len(told)}?"
        told[text] = request.subject
        return text

    return answer


def test_a_translation_that_leads_back_is_kept(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, back_and_forth())
    task = task_of(project(SECTION, languages=("en", "de")), "translation", "de")
    english = {row.id: row for row in sources(task)}
    output = translation.write(task)
    everything_has_its_place(output, 8)
    assert len(output.rows) == 8
    for row in output.rows:
        detail = json.loads(row.detail)
        assert (row.language, row.intent, row.method, row.category) == (
            "de",
            "unknown",
            "translation",
            english[row.seed_id].category,
        )
        assert detail["source_language"] == "en"
        assert detail["back"] == english[row.seed_id].text
        assert detail["similarity"] == pytest.approx(1)


def test_a_translation_that_leads_elsewhere_is_dropped_with_both_texts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter(range(100))
    use(monkeypatch, lambda request: f"{GERMAN[:-1]} {next(numbers)}?" if request.marks[1].startswith("German") else "A quite different thing.")  # fmt: skip
    task = task_of(project(SECTION, languages=("en", "de")), "translation", "de")
    english = {row.text for row in sources(task)}
    output = translation.write(task)
    everything_has_its_place(output, 8)
    assert {row.reason for row in output.rejects} == {"meaning_changed"}
    for row in output.rejects:
        evidence = json.loads(row.evidence)
        assert evidence["source_text"] in english
        assert evidence["back"] == "A quite different thing."
        assert evidence["similarity"] < translation.LEAST_SIMILARITY


@pytest.mark.parametrize("back", [True, False])
def test_a_failure_on_either_way_is_a_reason(project: Project, monkeypatch: pytest.MonkeyPatch, back: bool) -> None:
    def answer(request: Request) -> Completion:
        into_german = request.marks[1].startswith("German")
        if into_german and back:
            return Completion(f"{GERMAN[:-1]} {len(request.subject)}?")
        return Completion("", failure="HTTP 400")

    use(monkeypatch, answer)
    output = translation.write(task_of(project(SECTION, languages=("en", "de")), "translation", "de"))
    everything_has_its_place(output, 8)
    assert {row.reason for row in output.rejects} <= {"generator_failed", "same_text"}
    assert "generator_failed" in {row.reason for row in output.rejects}


def test_refusals_and_the_wrong_language_never_get_back(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["I'm sorry, but I can't help with that.", "Tut mir leid, dabei kann ich nicht helfen.",
                    "How do I stop the engine of an old moped from smoking all day?", "怎么才能干掉花园里的杂草？"] * 2)  # fmt: skip
    generator = use(monkeypatch, lambda _: next(answers))
    output = translation.write(task_of(project(SECTION, languages=("en", "de")), "translation", "de"))
    assert output.rows == []
    assert len(generator.asked) == 8
    assert {row.reason for row in output.rejects} == {"translator_refused", "wrong_language"}


def test_sources_are_other_languages_seeds_and_what_was_written_before(project: Project) -> None:
    workspace = project(
        {"name": "mutation", "count": 6}, {"name": "translation", "count": 200}, languages=("en", "de", "es")
    )
    task = task_of(workspace, "translation", "de")
    before = sources(task)
    assert {row.language for row in before} == {"en", "es"}
    assert {row.method for row in before} == {"seed"}
    assert not [row for row in before if row.intent == "harmful" or row.category == "harmless"]
    key = translation.settings(task)["sources"]
    run_generate(workspace)
    after = sources(task_of(workspace, "translation", "de"))
    assert {row.method for row in after} == {"seed", "mutation"}
    assert translation.settings(task_of(workspace, "translation", "de"))["sources"] != key
    assert [row.language for row in after[:4]] == ["en", "es"] * 2


def test_a_project_writes_the_same_bytes_again(project: Project) -> None:
    workspace = project({"name": "translation", "count": 3}, languages=("en", "de"))
    for outcome in run_generate(workspace):
        everything_has_its_place(outcome, 3)
    before = tree(workspace.root)
    assert [outcome.computed for outcome in run_generate(workspace)] == [0, 0]
    assert tree(workspace.root) == before


def test_one_language_is_one_line(project: Project) -> None:
    with pytest.raises(ConfigError, match="no other language") as found:
        translation.settings(task_of(project(SECTION), "translation"))
    assert "\n" not in str(found.value)
