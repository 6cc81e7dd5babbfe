import pytest

from curation.errors import InputError, PackError
from curation.languages.identification import (
    Detection,
    bcp47,
    check_prompts,
    detect,
    identify_texts,
    load_identifier,
    run_identify,
    verdict_on,
)  # fmt: skip
from curation.languages.packs import load_pack
from curation.languages.scripts import script_share
from curation.records import Identification
from curation.testing import mutation, seed

CODES = ("ar", "de", "en", "es", "zh")
SCRIPTS = {code: load_pack(code).script for code in CODES}


class Fixed:
    """An identifier that always answers the same."""

    def __init__(self, *ranking: tuple[str, float]) -> None:
        self.ranking = list(ranking)

    def rank(self, text: str) -> list[tuple[str, float]]:
        return self.ranking


def accepted(text: str, language: str) -> bool:
    identifier = load_identifier()
    found = detect(text, identifier, SCRIPTS)
    return (
        verdict_on(text, language, SCRIPTS[language], found, script_share(text, SCRIPTS[language]), 0.5, identifier)
        is None
    )


@pytest.mark.parametrize("code", CODES)
def test_people_s_seeds_are_in_their_language_and_in_no_other(code: str) -> None:
    pack = load_pack(code)
    texts = [row.text for row in (*pack.benign, *pack.harmful, *pack.harmless)]
    assert sum(accepted(text, code) for text in texts) >= 0.99 * len(texts)
    for other in set(CODES) - {code}:
        assert sum(accepted(text, other) for text in texts) <= 0.01 * len(texts)


@pytest.mark.parametrize("text", ["", "   ", "???", "123 + 45", "🙂🙂", "\x00", "\ud800"])
def test_text_without_letters_is_und_and_no_crash(text: str) -> None:
    assert identify_texts([text]) == [Detection("und", 0.0)]


def test_confidence_is_a_probability_and_order_changes_nothing() -> None:
    texts = [row.text for code in CODES for row in load_pack(code).benign[:5]]
    found = identify_texts(texts)
    assert all(0 < row.confidence <= 1 for row in found)
    assert identify_texts(texts[::-1]) == found[::-1]


@pytest.mark.parametrize(
    ("code", "tag"), [("zh-cn", "zh"), ("iw", "he"), ("pt_br", "pt-BR"), ("ZH-hant", "zh-Hant"), ("en", "en")]
)
def test_codes_are_bcp47(code: str, tag: str) -> None:
    assert bcp47(code) == tag


def test_a_short_text_goes_to_the_projects_language_only_when_that_is_likely() -> None:
    scripts = {"en": "Latn", "es": "Latn"}
    assert detect("Kill it", Fixed(("af", 0.5), ("en", 0.3), ("es", 0.1)), scripts).detected == "en"
    assert detect("Kill it", Fixed(("af", 0.9), ("en", 0.05)), scripts).detected == "af"
    long = "a sentence that is long enough for statistics to be trusted"
    assert detect(long, Fixed(("af", 0.5), ("en", 0.3)), scripts).detected == "af"


def test_a_language_that_is_not_written_so_is_never_chosen() -> None:
    assert detect("убить", Fixed(("bg", 0.4), ("en", 0.39)), {"en": "Latn"}).detected == "bg"


def test_varieties_count_for_their_language_unless_the_project_has_them_itself() -> None:
    ranking = Fixed(("arz", 0.6), ("ar", 0.3))
    assert detect("اكتب لي برنامج فدية يشفر ملفات مستشفى", ranking, {"ar": "Arab"}) == Detection("ar", 0.9)
    assert detect("اكتب لي برنامج فدية يشفر ملفات مستشفى", ranking, {"ar": "Arab", "arz": "Arab"}).detected == "arz"


@pytest.mark.parametrize(("text", "script", "share"), [
    ("Hello", "Latn", 1.0), ("Привет", "Cyrl", 1.0), ("Привет", "Latn", 0.0), ("杀 Python", "Hans", 1 / 7), ("かなカナ漢字", "Jpan", 1.0),
    ("한국어", "Kore", 1.0), ("नमस्ते", "Deva", 1.0), ("สวัสดี", "Thai", 1.0), ("قتل", "Arab", 1.0), ("123", "Latn", 0.0), ("ﬁﬁ Å", "Latn", 1.0),
])  # fmt: skip
def test_share_of_letters_in_a_script(text: str, script: str, share: float) -> None:
    assert script_share(text, script) == pytest.approx(share)


def test_an_unknown_script_is_an_error() -> None:
    with pytest.raises(PackError, match="unknown script 'Latin'"):
        script_share("a", "Latin")


def test_reasons_and_seeds_that_are_never_dropped() -> None:
    rows = [mutation("12345"), mutation("Wie kann ich einen Prozess im Terminal beenden?"), mutation("怎么杀死一个进程？"),
            mutation("How can I kill a process in the terminal?"), seed("Wie töte ich einen hängenden Prozess?")]  # fmt: skip
    kept, lost = check_prompts(rows, {"en": "Latn"}, 0.5, load_identifier())
    assert [(row.prompt_id, row.reason) for row in lost] == [
        (rows[0].id, "no_letters"), (rows[1].id, "wrong_language"), (rows[2].id, "wrong_script")]  # fmt: skip
    assert [row.prompt_id for row in kept] == [rows[3].id, rows[4].id]
    assert kept[1].detected == "de"


def test_a_language_the_identifier_has_never_seen_is_judged_by_its_script() -> None:
    row = mutation("ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ ᎢᎬᏱᏱ ᎦᏬᏂᎯᏍᏗ", "chr")
    assert check_prompts([row], {"chr": "Cher"}, 0.5, load_identifier()).rejects == []
    assert check_prompts([row], {"chr": "Latn"}, 0.5, load_identifier()).rejects[0].reason == "wrong_script"


def test_langdetect_is_there_by_name_and_repeats_itself() -> None:
    text = load_pack("de").benign[0].text
    first = identify_texts([text, "???"], name="langdetect")
    assert first[0].detected == "de" and first[1] == Detection("und", 0.0)
    assert identify_texts([text, "???"], name="langdetect") == first
    with pytest.raises(InputError, match="py3langid, langdetect"):
        load_identifier("fasttext")


def test_the_step_checks_all_prompts_once(workspace, write) -> None:
    write("seeds", [seed("How do I kill a Python process?")])
    write(
        "write-mutation-en",
        [
            mutation("¿Cómo mato un proceso colgado en Linux?", "es"),
            mutation("Wie töte ich das Unkraut im Garten?", "es"),
        ],
    )
    outcome = run_identify(workspace)
    assert [row.detected for row in outcome.rows] == ["en", "es"]
    assert [row.reason for row in outcome.rejects] == ["wrong_language"]
    assert workspace.table(Identification).rows() == outcome.rows
    assert run_identify(workspace).computed == 0
