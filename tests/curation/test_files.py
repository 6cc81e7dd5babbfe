import csv
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.errors import InputError
from curation.files import check_output, read_rows, write_rows

ANY = st.text(st.characters(), min_size=1, max_size=30)  # lone surrogates and NUL too
WHOLE = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30)
LAX = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)


def put(tmp_path: Path, name: str, data: bytes | str) -> Path:
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@given(st.lists(ANY, max_size=5))
@LAX
def test_jsonl_gives_back_any_text(tmp_path: Path, texts: list[str]) -> None:
    rows = [{"prompt": text, "language": "en", "id": str(number), "n": number} for number, text in enumerate(texts)]
    write_rows(tmp_path / "rows.jsonl", rows)
    assert read_rows(tmp_path / "rows.jsonl") == rows


@given(st.lists(WHOLE, min_size=1, max_size=5), st.sampled_from([".csv", ".parquet"]))
@LAX
def test_csv_and_parquet_give_back_any_text_of_whole_characters(tmp_path: Path, texts: list[str], ending: str) -> None:
    texts = [text.replace("\x00", "") or "x" for text in texts] if ending == ".csv" else texts
    rows = [{"prompt": text, "language": "en", "id": str(number)} for number, text in enumerate(texts)]
    write_rows(tmp_path / f"rows{ending}", rows)
    assert read_rows(tmp_path / f"rows{ending}") == rows


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "\rx", "'=1"])
def test_a_spreadsheet_runs_no_cell_and_reading_gives_the_text_back(tmp_path: Path, cell: str) -> None:
    write_rows(tmp_path / "rows.csv", [{"prompt": cell, "language": "en", "id": "1"}])
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.DictReader(file))["prompt"] == f"'{cell}"
    assert read_rows(tmp_path / "rows.csv")[0]["prompt"] == cell


def test_numbers_in_csv_stay_numbers(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", [{"prompt": "p", "margin": -1.5, "ok": True, "none": None, "nan": float("nan")}])
    assert (tmp_path / "rows.csv").read_text().splitlines()[1] == "p,-1.5,true,,"


def test_half_a_surrogate_pair_is_refused_where_it_cannot_be_held(tmp_path: Path) -> None:
    for ending in (".csv", ".parquet"):
        with pytest.raises(InputError, match=r"row 1, column 'prompt'.*JSONL"):
            write_rows(tmp_path / f"rows{ending}", [{"prompt": "\ud800"}])
        assert not (tmp_path / f"rows{ending}").exists()


def test_language_and_id_are_filled_in_and_never_overwritten(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", '{"prompt": "a"}\n\n{"prompt": "b", "language": "es", "id": 7}\n')
    first, second = read_rows(path, language="en")
    assert first["language"] == "en" and len(first["id"]) == 16
    assert (second["language"], second["id"]) == ("es", "7")
    assert read_rows(path, language="en")[0]["id"] == first["id"]


@pytest.mark.parametrize(("name", "data", "said"), [
    ("a.jsonl", '{"prompt": "x"}\n{"prompt": oops}\n', "line 2, column 12: not JSON"),
    ("a.jsonl", '["x"]\n', "line 1: a list, not an object"),
    ("a.jsonl", '{"text": "x"}\n', "line 1: no 'prompt'.*found text"),
    ("a.jsonl", '{"prompt": 3}\n', "line 1: 'prompt' must be text, found int"),
    ("a.jsonl", '{"prompt": null}\n', "line 1: no 'prompt'"),
    ("a.jsonl", b'{"prompt": "x"}\n{"prompt": "caf\xe9"}\n', "line 2: not UTF-8"),
    ("a.jsonl", '{"prompt": "x", "language": "English please"}', "line 1: 'English please' is no language code"),
    ("a.jsonl", "[" * 100_000, "line 1: not readable JSON"),
    ("a.csv", "text,language\nx,en\n", "line 1: no column 'prompt' .found text, language."),
    ("a.csv", "", "line 1: no column 'prompt' .found nothing."),
    ("a.csv", "prompt,prompt\nx,y\n", "line 1: column 'prompt' stands there twice"),
    ("a.csv", 'prompt,n\n"a\nb",1\nx,1,2\n', "line 4: 3 cells, the header has 2"),
    ("a.csv", 'prompt\n"x\n', "not readable CSV"),
    ("a.csv", b"prompt,n\nx,1\n\xff,2\n", "line 3: not UTF-8"),
    ("a.parquet", "PAR1 not", "not a readable Parquet file"),
    ("a.xlsx", "x", "unknown kind of file '.xlsx'"),
])  # fmt: skip
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, name: str, data: bytes | str, said: str) -> None:
    path = put(tmp_path, name, data)
    with pytest.raises(InputError, match=said) as caught:
        read_rows(path, language="en")
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_no_language_is_a_mistake_that_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--language"):
        read_rows(put(tmp_path, "a.jsonl", '{"prompt": "x"}\n'))


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    assert read_rows(put(tmp_path, "a.csv", b"\xef\xbb\xbfprompt\nx\n"), language="en")[0]["prompt"] == "x"
    assert read_rows(put(tmp_path, "a.jsonl", b'\xef\xbb\xbf{"prompt": "x"}'), language="en")[0]["prompt"] == "x"


def test_rows_with_different_columns_are_all_written(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "x": 1}, {"prompt": "b", "y": "text"}, {"prompt": "c", "x": "mixed"}]
    write_rows(tmp_path / "a.parquet", rows)
    assert [(row["x"], row["y"]) for row in read_rows(tmp_path / "a.parquet", language="en")] == [
        ("1", None),
        (None, "text"),
        ("mixed", None),
    ]
    write_rows(tmp_path / "a.jsonl", [{"prompt": "a", "score": float("nan")}])
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {"prompt": "a", "score": None}


def test_the_output_is_named_known_and_not_the_input(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    for path, said in (
        (None, "--out"),
        (tmp_path / "a.txt", "unknown kind"),
        (tmp_path / "." / "a.jsonl", "overwrite"),
    ):
        with pytest.raises(InputError, match=said):
            check_output(path, source)
    with pytest.raises(InputError, match="does not exist"):
        read_rows(tmp_path / "none.jsonl")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="cannot read"):
        read_rows(tmp_path / "folder.csv")
