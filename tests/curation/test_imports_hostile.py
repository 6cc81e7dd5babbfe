"""Files that are broken, hostile or in other encodings: every row is a prompt or a reject with its line, or one clear error."""

import codecs
import csv
import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.errors import InputError
from curation.imports.decoding import check_encoding
from curation.imports.delimited import LONGEST_CELL, read_delimited
from curation.imports.rows import LONGEST_PROMPT, first_of, slug
from curation.imports.running import Options, run_import
from curation.imports.sources import Source
from curation.records import Prompt
from curation.workspace import Workspace

SAID = Options(licence="MIT", language="en")


def put(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    return path


def imported(workspace: Workspace, path: Path, options: Options = SAID) -> tuple[list[str], list[tuple[str, str]]]:
    """The texts, and (reason, evidence) of what was dropped."""
    found = run_import(workspace, str(path), options)
    rejects = workspace.rejects(found.step).rows()
    return [row.text for row in workspace.table(Prompt).rows([found.step])], [
        (row.reason, row.evidence) for row in rejects
    ]


CSV = [
    ("nul", b"prompt,n\nOne\0?,1\nTwo?,2\n", ["Two?"], [("nul", "a.csv:2")]),
    ("byte order mark", codecs.BOM_UTF8 + b"prompt,n\nOne?,1\n", ["One?"], []),
    ("utf-16", "prompt,n\nÜber,1\n".encode("utf-16"), ["Über"], []),
    ("utf-32", "prompt,n\nÜber,1\n".encode("utf-32"), ["Über"], []),
    ("one row in another encoding", b"prompt,n\ncaf\xe9,1\nTwo?,2\n", ["Two?"], [("not_utf8", "a.csv:2")]),
    ("formulas are text", b"prompt,n\n=cmd|' /C calc'!A0,1\n'=1+1,2\n+1?,3\n@x y,4\n", ["=cmd|' /C calc'!A0", "=1+1", "+1?", "@x y"], []),
    ("a quote that is never closed", b'prompt,n\n"One?,1\nTwo?,2\nThree?,3\n', ["Two?", "Three?"],
     [("not_csv", "a.csv:2 unexpected end of data")]),
    ("text after a quote", b'prompt,n\n"One"?,1\nTwo?,2\n', ["Two?"], [("not_csv", "a.csv:2 ',' expected after '\"'")]),
    ("lines in a cell", b'prompt,n\n"One\nor two?",1\n,2\n', ["One\nor two?"], [("no_text", "a.csv:4")]),
    ("too few and too many cells", b"prompt,n\nOne?\nTwo?,2,3\nThree?,3\n", ["Three?"],
     [("not_csv", "a.csv:2 1 cells, the header has 2"), ("not_csv", "a.csv:3 3 cells, the header has 2")]),
    ("only white space", b"prompt,n\n \t,1\n\xe2\x80\x8b\xef\xbb\xbf,2\nx,3\n", ["\u200b", "x"], [("no_text", "a.csv:2")]),
    ("old line ends", b"prompt,n\rOne?,1\rTwo?,2\r", ["One?", "Two?"], []),
    ("empty lines", b"\n\nprompt,n\n\nOne?,1\n\n", ["One?"], []),
    ("markup and control characters", "prompt,n\n<script>x</script>\x1b[2J\u202e,1\n".encode(), ["<script>x</script>\x1b[2J\u202e"], []),
    ("a column named twice that is not used", b"prompt,n,n\nOne?,1,2\n", ["One?"], []),
    ("1 MB in another cell", b"prompt,n\nOne?," + b"x" * 1_000_000 + b"\nTwo?,2\n", ["One?", "Two?"], []),
]  # fmt: skip


@pytest.mark.parametrize(("data", "texts", "rejects"), [row[1:] for row in CSV], ids=[row[0] for row in CSV])
def test_a_csv_loses_no_row_that_can_be_read(
    workspace: Workspace, tmp_path: Path, data: bytes, texts: list, rejects: list
) -> None:
    if "\u200b" in texts:  # a zero-width space is no white space, so it is a text; the language check drops it
        texts = ["\u200b\ufeff".strip("\ufeff"), "x"]
    assert imported(workspace, put(tmp_path / "a.csv", data)) == (texts, rejects)


JSONL = [
    ("a broken line", b'{"prompt": "One?"}\n{"prompt": oops}\n["x"]\n{"prompt": "Two?"}\n', ["One?", "Two?"],
     [("not_json", "a.jsonl:2 column 12: Expecting value"), ("not_an_object", "a.jsonl:3 a list")]),
    ("deep nesting", b"[" * 100_000 + b'\n{"prompt": "Two?"}\n', ["Two?"], [("not_json", None)]),
    ("nul and half a pair", b'{"prompt": "a\\u0000b"}\n{"prompt": "a\\ud800b"}\n{"prompt": "\\ud83d\\ude00 ok"}\n', ["😀 ok"],
     [("nul", "a.jsonl:1"), ("lone_surrogate", "a.jsonl:2")]),
    ("no text", b'{"prompt": null}\n{"prompt": 3}\n{"prompt": ["a"]}\n{"prompt": ""}\n{"other": 1}\n{"prompt": "x"}\n', ["x"],
     [("no_text", "a.jsonl:1"), ("not_text", "a.jsonl:2 int"), ("not_text", "a.jsonl:3 list"), ("no_text", "a.jsonl:4"),
      ("no_text", "a.jsonl:5")]),
    ("another encoding", b'{"prompt": "caf\xe9"}\n{"prompt": "x"}\n', ["x"], [("not_utf8", "a.jsonl:1")]),
    ("nan, big numbers, other languages", b'{"prompt": "x", "id": NaN, "language": "xx"}\n{"prompt": "y", "id": 1e999}\n', ["y"],
     [("other_language", "a.jsonl:1 xx")]),
    ("a code that is none", b'{"prompt": "x", "language": "../../etc"}\n{"prompt": "y"}\n', ["y"], [("no_language", "a.jsonl:1 '../../etc'")]),
    ("byte order mark", codecs.BOM_UTF8 + b'{"prompt": "x"}', ["x"], []),
]  # fmt: skip


@pytest.mark.parametrize(("data", "texts", "rejects"), [row[1:] for row in JSONL], ids=[row[0] for row in JSONL])
def test_a_jsonl_loses_no_row_that_can_be_read(
    workspace: Workspace, tmp_path: Path, data: bytes, texts: list, rejects: list
) -> None:
    found, dropped = imported(workspace, put(tmp_path / "a.jsonl", data))
    assert found == texts and [reason for reason, _ in dropped] == [reason for reason, _ in rejects]
    assert all(told is None or told == said for (_, said), (_, told) in zip(dropped, rejects, strict=True))


@pytest.mark.parametrize(("name", "data", "said"), [
    ("a.csv", b"", "a.csv is empty"),
    ("a.csv", b"\n\n", "a.csv is empty"),
    ("a.csv", b"prompt,n\n", "a.csv holds no rows"),
    ("a.csv", b"question_text,n\nx,1\n", r"no column 'prompt' \(found question_text, n\)"),
    ("a.csv", b'"prompt\nx\n', "line 1: not readable CSV"),
    ("a.csv", b"prompt,prompt\nx,y\n", "'prompt' stands there twice"),
    ("a.csv", "prompt\nx\n".encode("utf-16-le") * 3, "looks like UTF-16"),
    ("a.csv", codecs.BOM_UTF16_LE + b"p\0r\0o", "byte order mark"),
    ("a.csv", codecs.BOM_UTF16_LE + "prompt\nx".encode("utf-16-le") + b"\0", "byte order mark"),
    ("a.jsonl", b"", "no column 'prompt' .found nothing"),
    ("a.jsonl", b'{"text_en": "x"}\n', r"no column 'prompt' \(found text_en\)"),
    ("a.json", b'{"prompt": "x"}', "a dict, not a list"),
    ("a.json", b'[{"prompt": "x"},]', "line 1: not JSON"),
    ("a.json", b"[]", "no column 'prompt' .found nothing"),
    ("a.parquet", b"PAR1 not", "not a readable Parquet file"),
    ("a.xlsx", b"x", "unknown kind of file '.xlsx'"),
    ("a", b"x", "unknown kind of file ''"),
])  # fmt: skip
def test_a_file_that_cannot_be_used_is_one_line(
    workspace: Workspace, tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        run_import(workspace, str(put(tmp_path / name, data)), SAID)
    assert "\n" not in str(caught.value) and str(tmp_path) not in str(caught.value)
    assert workspace.import_steps() == []


def test_a_wrong_header_names_what_is_there_and_what_is_expected(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no column 'prompt', 'type', 'focus' \(found q\\u001b, n\); choose another --layout"
    ):
        run_import(workspace, str(put(tmp_path / "a.csv", "q\x1b,n\nx,1\n")), Options(layout="xstest"))
    with pytest.raises(InputError, match="unknown layout 'xtest'; known: falsereject, multijail"):
        run_import(workspace, str(tmp_path / "a.csv"), Options(layout="xtest"))
    with pytest.raises(InputError, match="does not exist"):
        run_import(workspace, str(tmp_path / "none.csv"), SAID)


def test_rows_in_another_encoding_can_be_read_when_it_is_named(workspace: Workspace, tmp_path: Path) -> None:
    mixed = b"prompt,n\n" + "\u4f60\u597d".encode("gb18030") + b",1\n" + "\u4f60\u597d\u5417".encode() + b",2\n"
    assert imported(workspace, put(tmp_path / "a.csv", mixed), SAID._replace(fallback="gb18030")) == (
        ["你好", "你好吗"],
        [],
    )
    line = b'{"prompt": "caf\xe9"}\n'
    assert imported(workspace, put(tmp_path / "b.jsonl", line), SAID._replace(fallback="cp1252")) == (["café"], [])
    for name in ("klingon", "hex", "\0"):
        with pytest.raises(InputError, match="unknown encoding"):
            check_encoding(name)


def test_a_text_that_is_too_long_is_a_reject_with_its_length(workspace: Workspace, tmp_path: Path) -> None:
    data = f"prompt\n{'x' * 1_000_000}\n{'y' * LONGEST_PROMPT}\n"
    found, dropped = imported(workspace, put(tmp_path / "a.csv", data))
    assert [len(text) for text in found] == [LONGEST_PROMPT]
    assert dropped == [("too_long", "a.csv:2 1000000 characters")]


def test_parquet_with_wrong_types_and_text_that_is_none(workspace: Workspace, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    raw = pa.array([b"One?", b"caf\xe9", None]).view(pa.string())
    pq.write_table(
        pa.table({"prompt": raw, "label": [1, 2, 3], "category": [["a", "b"], [], None], "id": [1.5, None, 2.0]}), path
    )
    assert imported(workspace, path) == (["One?"], [("not_utf8", "a.parquet:2"), ("no_text", "a.parquet:3")])
    pq.write_table(pa.table({"prompt": pa.array(["a", "b", "a"]).dictionary_encode()}), tmp_path / "b.parquet")
    assert imported(workspace, tmp_path / "b.parquet")[0] == ["a", "b", "a"]
    pq.write_table(pa.table({"prompt": [1, 2]}), tmp_path / "c.parquet")
    with pytest.raises(InputError, match=r"c.parquet: column 'prompt' is int64, not text"):
        run_import(workspace, str(tmp_path / "c.parquet"), SAID)
    damaged = path.read_bytes()
    put(tmp_path / "d.parquet", damaged[:4] + bytes(60) + damaged[64:])
    with pytest.raises(InputError, match=r"d.parquet"):
        run_import(workspace, str(tmp_path / "d.parquet"), SAID)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "X", "a" * 99, "a\0", ".hidden", "a b"])
def test_a_name_cannot_lead_elsewhere(workspace: Workspace, tmp_path: Path, name: str) -> None:
    source = str(put(tmp_path / "a.csv", "prompt\nx\n"))
    if not name:
        assert run_import(workspace, source, SAID).step == "import-a"
        return
    with pytest.raises(InputError, match="cannot name an import"):
        run_import(workspace, source, SAID._replace(name=name))


def test_rows_and_file_names_never_become_paths(workspace: Workspace, tmp_path: Path) -> None:
    rows = 'prompt,source,category,id,licence\nx,../../../tmp/evil,../../x,"..\\..\\y",../LICENSE\n'
    before = {path for path in tmp_path.rglob("*") if workspace.root not in path.parents}
    found = run_import(workspace, str(put(tmp_path / "..evil; rm -rf.csv", rows)), SAID)
    after = {path for path in tmp_path.rglob("*") if workspace.root not in path.parents}
    assert found.step == "import-evil-rm-rf" and after - before == {tmp_path / "..evil; rm -rf.csv"}
    (prompt,) = workspace.table(Prompt).rows()
    assert prompt.category == "x" and json.loads(prompt.detail)["source"] == "../../../tmp/evil"


def test_a_link_that_leads_out_of_a_folder_is_not_followed(workspace: Workspace, tmp_path: Path) -> None:
    put(tmp_path / "set/a.csv", "prompt\nOne?\n")
    (tmp_path / "set/b.csv").symlink_to(put(tmp_path / "secret.csv", "prompt\nSecret?\n"))
    (tmp_path / "set/c").symlink_to(put(tmp_path / "out/d.csv", "prompt\nOut?\n").parent)
    assert imported(workspace, tmp_path / "set")[0] == ["One?"]


@pytest.mark.skipif(sys.platform == "darwin", reason="names there are UTF-8")
def test_a_file_name_that_is_not_utf8_is_shown_escaped(workspace: Workspace, tmp_path: Path) -> None:
    path = put(tmp_path / "a\udcff\x1b.csv", "prompt\nx\n")
    run_import(workspace, str(path), SAID)
    assert json.loads(workspace.table(Prompt).rows()[0].detail)["row"] == "a\\udcff\\u001b.csv:2"


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=12), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=150, deadline=None)
def test_whatever_python_writes_as_csv_is_read_back(rows: list[tuple[str, str]], ends: str) -> None:
    """An independent oracle: Python's own reader over the whole text."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=ends, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    whole = text.getvalue().replace("\0", "").replace("'", "")
    found = [line.cells for line in read_delimited(io.StringIO(whole, newline=""), "a.csv", ",", True)]
    assert found == list(csv.reader(io.StringIO(whole, newline="")))


@given(st.text('ab,"\n\r\0\ud800 ', max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_line_of_a_broken_csv_vanishes(text: str) -> None:
    """Every line that is not blank begins, continues or is a record; numbers rise and stay inside the file."""
    try:
        found = list(read_delimited(io.StringIO("a,b\n" + text, newline=""), "a.csv", ",", True))
    except InputError:
        return
    numbers = [line.number for line in found]
    assert numbers == sorted(set(numbers)) and all(line.cells or line.problem for line in found)
    told = "".join("".join(line.cells) for line in found if not line.problem)
    assert all(char in text + "ab\udc00" for char in told)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert len(found) - 1 <= sum(bool(line) for line in lines)
    if '"' not in text:  # without quotes every line that is not empty is exactly one record
        assert len(found) - 1 == sum(bool(line) for line in lines)


@given(data=st.binary(max_size=300), ending=st.sampled_from([".csv", ".tsv", ".jsonl", ".json", ".parquet"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_rows_or_one_clear_error(tmp_path: Path, data: bytes, ending: str) -> None:
    from curation.imports.layouts import load_layout
    from curation.imports.rows import Shaper

    path = put(tmp_path / f"a{ending}", (b"prompt,n\n" if ending == ".csv" else b"") + data)
    mapping = load_layout("generic")
    shaper = Shaper(mapping, "import-a", ("en",))
    try:
        for raw in Source.open(str(path)).rows(mapping, ""):
            kept, lost = shaper.shape(raw)
            assert len(kept) + len(lost) == 1 and lost  # nothing says a language or licence here
    except InputError as exc:
        assert "\n" not in str(exc)


def test_a_cell_without_end_is_given_up_at_a_limit_and_the_rest_is_read() -> None:
    text = 'prompt\n"never closed\n' + "x\n" * 3
    lines = list(read_delimited(io.StringIO(text, newline=""), "a.csv", ",", True))
    assert [(line.number, line.cells) for line in lines] == [
        (1, ["prompt"]),
        (2, []),
        (3, ["x"]),
        (4, ["x"]),
        (5, ["x"]),
    ]


def test_readers_side_by_side_leave_pythons_own_limit_as_it_was() -> None:
    long = "prompt\n" + "x" * 200_000 + "\nTwo?\n"
    before = csv.field_size_limit()
    first, second = (read_delimited(io.StringIO(long, newline=""), "a.csv", ",", True) for _ in range(2))
    next(first), next(second)
    assert csv.field_size_limit() == before
    first.close()
    assert [len(line.cells[0]) for line in second] == [200_000, 4]
    assert csv.field_size_limit() == before < LONGEST_CELL


@pytest.mark.parametrize(("given_", "wanted"), [
    ("['Theft', 'Other']", "Theft"), ('["a"]', "a"), ("[]", ""), ("[__import__('os')]", "[__import__('os')]"), ("[1", "[1"), ("plain", "plain"),
])  # fmt: skip
def test_the_first_of_a_list_that_was_written_as_text(given_: str, wanted: str) -> None:
    assert first_of(given_) == wanted


@given(st.text(max_size=200))
def test_a_category_is_a_word_and_never_the_one_that_people_are_not_shown(text: str) -> None:
    word = slug(text)
    assert word and word != "harmless" and len(word) <= 60 and not set(word) & set(" /\\.\n\t\"'<>")
    assert slug(word) == word
