"""What an annotator sees in a session: questions and guidelines in their language, English where its pack has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotation.batches import FIELD, LONGEST_GUIDELINES, LONGEST_TITLE, NOTE, QUESTION, guidelines_of
from annotation.datasets import Form
from annotation.display import LONGEST, displayable, visible_form
from annotation.sessions.plan import ADJUDICATION, CALIBRATION
from curation.errors import AnnotationError
from curation.languages.packs import Question, load_pack
from curation.records import ANSWERS, digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from curation.languages.packs import Pack
    from curation.records import Response

REASON, CATEGORY, NATURALNESS = FOLLOW_UPS = ("reason", "category", "naturalness")
REASONS_FIELD = "reasons"
VISIBLE_OPTIONS = 8  # of a question; the others open by a click
LONGEST_NOTE = 1_000  # characters of another person's note that an adjudicator is shown


def form_of(pack: Pack, round_name: str, feedback: str = "") -> Form:
    """The form of one round; only the judgement is required, so that nobody is slowed down."""
    fields = [_field(FIELD, pack.native_name, required=True)]
    if round_name == ADJUDICATION:
        fields.append(_field(REASONS_FIELD, follow_up(pack, REASON).text, required=False))
    questions = [_choice(pack, QUESTION, Question(pack.question, {answer: pack.options[answer] for answer in ANSWERS}))]
    questions += [_choice(pack, name, follow_up(pack, name)) for name in FOLLOW_UPS]
    questions.append({"name": NOTE, "title": _checked(pack, words(pack, NOTE)), "required": False,
                      "settings": {"type": "text", "use_markdown": False}})  # fmt: skip
    return Form(guidelines_for(pack, round_name, feedback), fields, questions)


def guidelines_for(pack: Pack, round_name: str, feedback: str = "") -> str:
    """The pack's guidelines under a word on the round; feedback, which is markdown, comes first and is cut to fit."""
    word = words(pack, round_name) if round_name in (CALIBRATION, ADJUDICATION) else ""
    body = "\n\n".join(part for part in (word, guidelines_of(pack)) if part)
    if len(body) > LONGEST_GUIDELINES:
        raise AnnotationError(
            f"the guidelines of the language pack {pack.code!r} have {len(body)} characters, Argilla takes "
            f"{LONGEST_GUIDELINES}",
            fix="shorten [annotation] guidelines",
        )
    kept: list[str] = []
    for line in feedback.splitlines():
        if len("\n".join([*kept, line, "", body])) > LONGEST_GUIDELINES:
            break
        kept.append(line)
    return "\n".join([*kept, "", body]) if kept else body


def words(pack: Pack, name: str) -> str:
    """A text of the pack, English where it has none."""
    return str(getattr(pack, name) or getattr(load_pack("en"), name)).strip()


def follow_up(pack: Pack, name: str) -> Question:
    """One of the questions after the first, English where the pack has none."""
    found = getattr(pack, name) or getattr(load_pack("en"), name)
    if not isinstance(found, Question):
        raise AnnotationError(f"the English language pack has no question {name!r}", fix="install morbench again")
    return found


def reasons_shown(pack: Pack, rows: Iterable[Response], prompt_id: str) -> str:
    """What people gave as reasons and notes for one prompt: each once, shuffled, without names or counts."""
    labels = follow_up(pack, REASON).options
    found = {f"• {visible_form(labels[row.reason])}" for row in rows if row.reason in labels}
    found |= {f"“{visible_form(row.note[:LONGEST_NOTE])}”" for row in rows if row.note.strip()}
    lines = sorted(found, key=lambda line: digest("reasons", prompt_id, line))
    return displayable("\n".join(lines)[:LONGEST]) if lines else ""


def _field(name: str, title: str, *, required: bool) -> dict[str, Any]:
    settings = {"type": "text", "use_markdown": False}
    return {"name": name, "title": title[:LONGEST_TITLE], "required": required, "settings": settings}


def _choice(pack: Pack, name: str, question: Question) -> dict[str, Any]:
    options = [{"value": value, "text": _checked(pack, text)} for value, text in question.options.items()]
    settings = {"type": "label_selection", "options": options, "visible_options": min(VISIBLE_OPTIONS, len(options))}
    title = _checked(pack, question.text)
    return {"name": name, "title": title, "required": name == QUESTION, "settings": settings}


def _checked(pack: Pack, text: str) -> str:
    if len(text) > LONGEST_TITLE:
        raise AnnotationError(
            f"the language pack {pack.code!r} has a question or option of {len(text)} characters, Argilla takes "
            f"{LONGEST_TITLE}",
            fix="shorten it in [annotation]",
        )
    return text
