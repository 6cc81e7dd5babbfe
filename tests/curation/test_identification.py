import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import InputError, PackError
from curation.languages.calibration import load_varieties, own_texts, thresholds_text
from curation.languages.identification import check_prompts, identify_texts, run_identify
from curation.languages.identifiers import bcp47, load_identifier
from curation.languages.judging import Judgement, judge_texts
from curation.languages.packs import available_languages, load_pack
from curation.languages.prose import prose
from curation.languages.scoring import Scorer
from curation.languages.scripts import count_letters, letter_count, script_share
from curation.languages.sight import READ, Detection, detect, windows
from curation.languages.thresholds import DEFAULT, thresholds_for
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


def judge(text: str, language: str, scripts: dict[str, str] = SCRIPTS) -> Judgement:
    return judge_texts([text], [language], scripts, load_identifier())[0]


@pytest.mark.parametrize("code", CODES)
def test_people_s_seeds_are_in_their_language_and_in_no_other(code: str) -> None:
    pack = load_pack(code)
    texts = [row.text for row in (*pack.benign, *pack.harmful, *pack.harmless)]
    identifier = load_identifier()
    own = judge_texts(texts, [code] * len(texts), SCRIPTS, identifier)
    assert sum(row.decision == "accepted" for row in own) >= 0.97 * len(texts)
    assert sum(row.decision == "rejected" for row in own) <= 0.01 * len(texts)
    for other in set(CODES) - {code}:
        found = judge_texts(texts, [other] * len(texts), SCRIPTS, identifier)
        assert sum(row.decision == "rejected" for row in found) >= 0.99 * len(texts)


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


def test_many_texts_at_once_score_as_each_alone_does_in_py3langid_itself() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    scorer = Scorer(model)
    packs = [load_pack(code) for code in available_languages()]
    texts = [row.text for pack in packs for row in pack.benign[:9]] + ["A", "HELLO WORLD", "x" * 3000, "й" * 999]
    random.Random(7).shuffle(texts)
    for text, row in zip(texts, scorer.shares(texts), strict=True):
        pooled: dict[str, float] = {}  # two of its classes are one language
        for label, share in zip(scorer.classes, row.tolist(), strict=True):
            pooled[label] = pooled.get(label, 0.0) + share
        assert pooled == pytest.approx(dict(model.rank(text)), abs=2e-5) or not row.any()
    alone = [scorer.shares([text])[0].tolist() for text in texts]
    assert scorer.shares(texts).tolist() == alone  # bit for bit: a text's row knows nothing of its neighbours


@given(st.lists(st.text(st.characters(codec=None), max_size=40), max_size=6))
@settings(max_examples=60, deadline=None)
def test_letters_counted_together_are_those_counted_alone(texts: list[str]) -> None:
    letters = count_letters(texts)
    assert letters.totals.tolist() == [letter_count(text) for text in texts]
    for script in ("Latn", "Jpan"):
        assert letters.share(script).tolist() == pytest.approx([script_share(text, script) for text in texts])


HOSTILE = {
    "one megabyte": "Wie töte ich einen Prozess? " * 36_000, "one long word": "ß" * 1_000_000, "NUL": "Hello\x00 wor\x00ld " * 9,
    "surrogates": "\ud800\udfff" * 50 + "abc", "bidi": "\u202eHello\u202c \u2066world\u2069 " * 20, "backticks": "`" * 200_001,
    "brackets": "<" * 100_000 + "((((" * 50_000, "addresses": "a@" * 100_000, "newlines": "\n" * 300_000 + "x",
    "joiners": "\u200d\ufe0f🙂" * 10_000, "combining": "e" + "\u0301" * 100_000, "zeros": "0" * 1_000_000,
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_text_gets_a_decision(text: str) -> None:
    found = judge(text, "de")
    assert found.decision in {"accepted", "ask", "rejected"} and math.isfinite(found.confidence)
    assert identify_texts([text, "Hello, how are you today?"])[1] == identify_texts(["Hello, how are you today?"])[0]


def test_what_comes_after_the_first_thousands_of_characters_changes_nothing() -> None:
    beginning = "Wie töte ich einen hängenden Prozess? ".ljust(READ, "…")
    assert identify_texts([beginning]) == identify_texts([beginning + "How do I kill a process? " * 100])


@pytest.mark.parametrize("code", [
    "#include <stdio.h>\nint main(void) {\n  puts(\"hi\");\n  return 0;\n}", "SELECT name FROM users WHERE id = 3;",
    "import os\nfor name in os.listdir('.'):\n    print(name)", "```\nkill -9 4711\n```", "https://example.org/kill?process=1",
    "function kill(x) { return x + 1; }", "<br/><hr/>", "$ sudo rm file.txt",
])  # fmt: skip
def test_program_text_alone_is_no_language_and_beside_prose_it_is_not_read(code: str) -> None:
    assert judge(code, "en").reason == "code"
    assert judge(f"Warum lässt sich dieser Prozess nicht beenden?\n{code}", "de").decision == "accepted"


@pytest.mark.parametrize("text", [
    "Πώς σκοτώνω μια διεργασία;", "if you are at home, do this:", "> he said that", "It costs 3 < 4; is that so?",
    "Import duties are paid by the buyer.", "For example:", "¿Qué significa «a;b»?",
])  # fmt: skip
def test_prose_is_not_taken_for_program_text(text: str) -> None:
    assert letter_count(prose(text)) > 0


def test_code_switching_and_mixed_scripts_go_to_people() -> None:
    german = "Wie töte ich einen hängenden Prozess auf meinem alten Rechner?"
    assert judge(german, "de").decision == "accepted"
    mixed = judge(f"{german} Please tell me how I could do that without losing my work.", "de")
    assert (mixed.decision, mixed.reason) == ("ask", "code_switching") and mixed.evidence.startswith("en: ")
    names = judge("比较 React 和 Angular 的优缺点", "zh")
    assert (names.decision, names.reason) == ("ask", "mixed_scripts")
    assert judge("Compare React and Angular 的", "zh").reason == "wrong_script"


def test_between_accepted_and_rejected_lies_a_person_and_a_clear_text_never_does() -> None:
    close = thresholds_for("id")
    assert close.reject < close.accept
    scripts = {"id": "Latn"}
    texts = [text for variety in load_varieties() if variety.code == "ms" for text in variety.texts]
    found = judge_texts(texts, ["id"] * len(texts), scripts, load_identifier())
    assert sum(row.decision == "accepted" for row in found) <= 0.3 * len(texts)
    assert all(row.reason in {"doubtful_language", "wrong_language", ""} for row in found)
    own = own_texts(load_pack("id"))
    assert sum(
        row.decision == "rejected" for row in judge_texts(own, ["id"] * len(own), scripts, load_identifier())
    ) <= 0.01 * len(own)


@pytest.mark.parametrize("code", available_languages())
def test_every_pack_has_thresholds_in_order(code: str) -> None:
    found = thresholds_for(code)
    assert -1.4 <= found.reject <= found.accept <= 1.0 and found.window <= found.reject
    assert found is not DEFAULT
    assert f"[{code}]\nreject = {found.reject}\n" in thresholds_text({code: found}, "py3langid")


def test_the_second_opinion_settles_a_doubt_only_where_it_knows_both_languages() -> None:
    class Doubtful(type(load_identifier())):  # type: ignore[misc]
        def __init__(self, rival: str) -> None:
            self.rival, self.labels = rival, frozenset({"de", rival})

        def shares(self, texts):
            import numpy as np

            from curation.languages.identifiers import Shares

            return Shares(["de", self.rival], np.array([[0.49, 0.51]] * len(texts)))

    text = ["Wie töte ich einen hängenden Prozess auf dem Rechner?"]
    assert judge_texts(text, ["de"], {"de": "Latn"}, Doubtful("nl"))[0].decision == "accepted"
    lb = judge_texts(text, ["de"], {"de": "Latn"}, Doubtful("lb"))[0]
    assert (lb.decision, lb.reason) == ("ask", "doubtful_language") and "lb" in lb.evidence


def test_windows_hold_the_whole_text_and_short_texts_have_none() -> None:
    text = " ".join(f"word{number}" for number in range(40))
    assert " ".join(windows(text)) == text and len(windows(text)) > 3
    assert "".join(windows("怎么杀死一个进程" * 9)) == "怎么杀死一个进程" * 9
    assert windows("How do I kill it?") == [] == windows("")


def test_seeds_are_accepted_with_what_was_seen_and_doubtful_candidates_stay_alive() -> None:
    rows = [seed("Kill ChatGPT und React und Angular 的", "zh"), mutation("比较 React 和 Angular 的优缺点", "zh")]
    kept, lost = check_prompts(rows, {"zh": "Hans"}, 0.5, load_identifier())
    assert lost == [] and [(row.decision, row.doubt) for row in kept] == [
        ("accepted", "wrong_script"),
        ("ask", "mixed_scripts"),
    ]
