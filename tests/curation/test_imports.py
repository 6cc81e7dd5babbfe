"""Public sets by their published layouts (rows made up), users' own files by a mapping, and what an import leaves."""

import csv
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.errors import InputError
from curation.imports import running
from curation.imports.command import app
from curation.imports.layouts import known_layouts, load_layout
from curation.imports.repeats import count_repeats
from curation.imports.running import Options, run_import
from curation.records import Prompt
from curation.testing import seed, tree
from curation.workspace import Workspace


def put(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    return path


def jsonl(*rows: dict) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def prompts_of(workspace: Workspace) -> list[tuple[str, str, str, str, str]]:
    """(language, text, category, intent, licence) of what was imported."""
    rows = workspace.table(Prompt).rows(workspace.import_steps())
    return [(row.language, row.text, row.category, row.intent, json.loads(row.detail)["licence"]) for row in rows]


XSTEST = """id,prompt,type,label,focus,note
1,How do I kill a lamp?,homonyms,safe,kill,violence
2,How do I kill a clown?,contrast_homonyms,unsafe,kill,
3,Who fought whom at Cannae?,historical_events,safe,,
"""
MULTIJAIL = """,id,source,en,zh,it,vi,ar,ko,th,bn,sw,jv,tags
0,1,made up,How to rob?,怎么抢?,Come si ruba?,x,كيف,y,z,b,Niibe vipi?,j,"['Theft', 'Other']"
"""
POLYREFUSE = json.dumps([{"instruction": "Robar un banco", "category": "illegal"}])
PLAIN = json.dumps([{"instruction": "Nombra un río", "category": None}])
XSAFETY = 'I want to\n"Rob, then run"\n'

LAYOUTS = {
    "xstest": ({"xstest_prompts.csv": XSTEST}, [
        ("en", "How do I kill a lamp?", "homonyms", "benign", "CC-BY-4.0"),
        ("en", "How do I kill a clown?", "contrast_homonyms", "harmful", "CC-BY-4.0"),
        ("en", "Who fought whom at Cannae?", "history", "benign", "CC-BY-4.0")]),
    "xstest v2": ({"xstest_v2_prompts.csv": "id_v1,id_v2,type,prompt,focus,note\nv1-1,v2-1,contrast_discr,Who is worse?,worse,\n"}, [
        ("en", "Who is worse?", "contrast_discr", "harmful", "CC-BY-4.0")]),
    "or-bench hard": ({"or-bench-hard-1k.csv": "prompt,category\nA dark joke?,self-harm\n"}, [
        ("en", "A dark joke?", "self_harm", "unknown", "CC-BY-4.0")]),
    "or-bench 80k": ({"or-bench-80k.csv": "prompt,category\nA dark joke?,hate\n"}, [
        ("en", "A dark joke?", "hate", "benign", "CC-BY-4.0")]),
    "or-bench toxic": ({"or-bench-toxic.csv": "prompt,category\nA dark joke?,hate\n"}, [
        ("en", "A dark joke?", "hate", "harmful", "CC-BY-4.0")]),
    "multijail": ({"MultiJail.csv": MULTIJAIL}, [
        ("en", "How to rob?", "theft", "harmful", "MIT"), ("zh", "怎么抢?", "theft", "harmful", "MIT")]),
    "polyrefuse": ({"PolyRefuse/harmful_val_translated_es.json": POLYREFUSE, "PolyRefuse/harmless_val_translated_es.json": PLAIN,
                    "PolyRefuse/back/harmful_test_back_translated_es.json": POLYREFUSE}, [
        ("es", "Robar un banco", "illegal", "harmful", "Apache-2.0"), ("es", "Nombra un río", "plain", "benign", "CC-BY-NC-4.0")]),
    "xsafety": ({"set/en/Goal_Hijacking_n.csv": XSAFETY, "set/sp/commen_sense.csv": "Hola\n", "set/README.md": "x"}, [
        ("en", "I want to", "goal_hijacking", "unknown", "Apache-2.0"),
        ("en", "Rob, then run", "goal_hijacking", "unknown", "Apache-2.0"),
        ("es", "Hola", "commonsense", "unknown", "Apache-2.0")]),
    "phtest": ({"PHTest.csv": "ID,Request,Harmfulness\n0,A killer app?,harmless\n1,A heist?,controversial\n"}, [
        ("en", "A killer app?", "unsorted", "benign", "MIT"), ("en", "A heist?", "unsorted", "unknown", "MIT")]),
    "falsereject": ({"test.jsonl": jsonl({"prompt": "A knife?", "category": 3, "category_text": "Weapons & Arms"})}, [
        ("en", "A knife?", "weapons_arms", "benign", "CC-BY-NC-4.0")]),
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "bench", ("en", "es", "zh"))


@pytest.mark.parametrize("name", LAYOUTS)
def test_published_layouts_are_known_by_their_files_and_columns(project: Workspace, tmp_path: Path, name: str) -> None:
    files, wanted = LAYOUTS[name]
    paths = [put(tmp_path / "in" / relative, text) for relative, text in files.items()]
    given = paths[0] if len(files) == 1 else tmp_path / "in" / Path(next(iter(files))).parts[0]
    found = run_import(project, str(given))
    assert found.layout == name.split()[0]
    assert sorted(prompts_of(project)) == sorted(wanted)
    assert set(found.rejects) <= {"other_language"}
    named = Workspace.create(tmp_path / "other", ("en", "es", "zh"))
    run_import(named, str(given), Options(layout=found.layout))
    assert prompts_of(named) == prompts_of(project)


def test_every_layout_can_be_read_and_says_where_it_was_read() -> None:
    for name in known_layouts():
        assert load_layout(name).prompt.column or load_layout(name).texts
    folder = Path(running.__file__).parent / "layouts"
    for path in folder.glob("*.toml"):
        assert path.read_text(encoding="utf-8").startswith("# ")
        assert path.stem == "generic" or "Read in" in path.read_text(encoding="utf-8")


def test_the_layout_of_the_public_data_is_the_generic_one(project: Workspace, tmp_path: Path) -> None:
    rows = [{"id": f"x-{n}", "source": "xset", "language": "en", "prompt": f"How {n}?", "label": label, "category": "Some thing", "group": f"g{n}"}
            for n, label in enumerate(["benign", "harmful", "benign (contested)", "sensitive (not a harm label)"])]  # fmt: skip
    run_import(project, str(put(tmp_path / "a.jsonl", jsonl(*rows))), Options(licence="CC-BY-4.0"))
    assert [row[3] for row in prompts_of(project)] == ["benign", "harmful", "unknown", "unknown"]
    (first, *_) = project.table(Prompt).rows(["import-a"])
    assert json.loads(first.detail) == {"source": "xset", "licence": "CC-BY-4.0", "row": "a.jsonl:1", "id": "x-0", "group": "g0",
                                        "category": "Some thing"}  # fmt: skip
    assert (first.method, first.category) == ("import", "some_thing")


MAPPING = """
title = "The paper's set"
columns = ["q", "klass"]
[prompt]
column = ["q", "question"]
[language]
column = "lang"
values = { English = "en", "Spanish*" = "es" }
[category]
column = "klass"
values = { w = "weapons" }
[intent]
column = "ok"
values = { yes = "benign", no = "harmful" }
default = "unknown"
[licence]
column = "rights"
default = "CC-BY-4.0"
"""


def test_a_mapping_says_what_other_columns_mean(project: Workspace, tmp_path: Path) -> None:
    rows = [
        ("Lang", "Q", "klass", "ok", "rights"),
        ("english", "One?", "w", "YES", ""),
        ("Spanish (Mexico)", "¿Dos?", "k", "no", "MIT"),
        ("en-GB", "Three?", "", "perhaps", ""),
        ("Klingon", "nuq?", "", "", ""),
    ]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    mapping = put(tmp_path / "map.toml", MAPPING)
    found = run_import(project, str(put(tmp_path / "paper.csv", text.getvalue())), Options(mapping=mapping))
    assert prompts_of(project) == [
        ("en", "One?", "weapons", "benign", "CC-BY-4.0"), ("es", "¿Dos?", "k", "harmful", "MIT"),
        ("en", "Three?", "unsorted", "unknown", "CC-BY-4.0")]  # fmt: skip
    assert found.rejects == Counter({"no_language": 1})
    assert {json.loads(row.detail)["source"] for row in project.table(Prompt).rows()} == {"The paper's set"}


def test_a_mapping_may_name_another_delimiter(project: Workspace, tmp_path: Path) -> None:
    mapping = put(tmp_path / "map.toml", MAPPING.replace("[prompt]", "delimiter = ';'\n[prompt]", 1))
    run_import(
        project,
        str(put(tmp_path / "a.csv", "lang;question;q;klass;rights\nEnglish;;One, two?;w;MIT\n")),
        Options(mapping=mapping),
    )
    assert prompts_of(project) == [("en", "One, two?", "weapons", "unknown", "MIT")]


@pytest.mark.parametrize(("text", "said"), [
    ("[prompt]\ncolumn = 'q'\ncolour = 'x'\n", "prompt.colour"),
    ("[language]\ndefault = 'en'\n", "needs a column"),
    ("[prompt]\ncolumn = 'q'\n[intent]\nvalues = { a = 'evil' }\n", "benign, harmful, unknown, found evil"),
    ("[prompt\n", "not valid TOML"),
    ("files = ['(']\n[prompt]\ncolumn = 'q'\n", "not a pattern"),
    (b"# caf\xe9", "not UTF-8"),
])  # fmt: skip
def test_a_mistake_in_a_mapping_is_one_line(project: Workspace, tmp_path: Path, text: str | bytes, said: str) -> None:
    source = put(tmp_path / "a.csv", "q\nx\n")
    with pytest.raises(InputError, match="map.toml.*" + said) as caught:
        run_import(project, str(source), Options(mapping=put(tmp_path / "map.toml", text)))
    assert "\n" not in str(caught.value)


def test_what_is_imported_is_alive_like_other_candidates_until_a_step_drops_it(
    project: Workspace, tmp_path: Path
) -> None:
    run_import(project, str(put(tmp_path / "a.csv", "prompt,language\nOne?,en\nDos?,es\n")), Options(licence="MIT"))
    assert [row.text for row in project.alive(())] == ["One?", "Dos?"]
    config = (project.root / "morbench.toml").read_text(encoding="utf-8")
    (project.root / "morbench.toml").write_text(config.replace('["en", "es", "zh"]', '["en"]'), encoding="utf-8")
    assert [row.text for row in Workspace.open(project.root).alive(())] == ["One?"]


def many(tmp_path: Path, count: int = 40) -> Path:
    rows = [
        "prompt,language,label",
        *(f"How do I number {n % 33}?,{'en' if n % 5 else 'fr'},benign" for n in range(count)),
    ]
    return put(tmp_path / "many.csv", "\n".join(rows) + "\n")


@pytest.mark.parametrize("fatal", [0, 2, 4])
def test_killed_at_any_shard_and_run_again_gives_the_bytes_of_an_uninterrupted_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fatal: int
) -> None:
    monkeypatch.setattr(running, "SHARD_ROWS", 9)
    source = str(many(tmp_path))
    whole, cut = (Workspace.create(tmp_path / name / "bench", ("en",)) for name in ("whole", "cut"))
    wanted = run_import(whole, source, Options(licence="MIT"))
    real, calls = running.Shaper.shape, []

    def dies(self, raw):
        calls.append(raw)
        if len(calls) == fatal * 9 + 1:
            raise KeyboardInterrupt
        return real(self, raw)

    monkeypatch.setattr(running.Shaper, "shape", dies)
    with pytest.raises(KeyboardInterrupt):
        run_import(cut, source, Options(licence="MIT"))
    assert cut.alive(()) == []  # no manifest: nothing counts as imported
    monkeypatch.setattr(running.Shaper, "shape", real)
    resumed = run_import(cut, source, Options(licence="MIT"))
    assert tree(cut.root) == tree(whole.root)
    assert resumed == wanted._replace(computed=5 - fatal)
    assert run_import(cut, source, Options(licence="MIT")) == wanted._replace(computed=0)
    assert tree(cut.root) == tree(whole.root)


def test_repeats_are_counted_however_many_passes_it_takes(project: Workspace, tmp_path: Path) -> None:
    project.run(
        running.Step("seeds", 1, {}, lambda: running.Output),
        [seed("How do I number 3?"), seed("Something else")],
        Prompt,
    )
    found = run_import(project, str(many(tmp_path)), Options(licence="MIT"))
    ids = [row.id for row in project.table(Prompt).rows(["import-many"])]
    assert found.repeats == (len(ids) - len(set(ids)), 1)
    for size in (1, 7, 1000):
        assert count_repeats(project.table(Prompt), "import-many", size) == found.repeats
    assert len({row.id for row in project.alive(())}) == len(project.alive(())) == len(set(ids)) + 1


def test_an_import_takes_the_place_of_another_one_only_when_told(project: Workspace, tmp_path: Path) -> None:
    first = put(tmp_path / "a/set.csv", "prompt\nOne?\n")
    second = put(tmp_path / "b/set.csv", "prompt\nTwo?\n")
    options = Options(licence="MIT", language="en")
    run_import(project, str(first), options)
    with pytest.raises(InputError, match=r"import 'set' of 1 other prompts.*--name.*--replace"):
        run_import(project, str(second), options)
    assert [row[1] for row in prompts_of(project)] == ["One?"]
    run_import(project, str(second), options._replace(name="second"))
    run_import(project, str(second), options._replace(replace=True))
    assert [row[1] for row in prompts_of(project)] == ["Two?", "Two?"]


def test_licence_and_language_must_be_said_somewhere(project: Workspace, tmp_path: Path) -> None:
    source = str(put(tmp_path / "a.csv", "prompt,language,licence\nOne?,,\nTwo?,en,\nTres?,es,MIT\n"))
    found = run_import(project, source)
    assert found.rejects == Counter({"no_language": 1, "no_licence": 1})
    bare = str(put(tmp_path / "b.csv", "prompt\nOne?\n"))
    with pytest.raises(InputError, match=r"which licence.*--licence.*unknown"):
        run_import(project, bare)
    with pytest.raises(InputError, match=r"which language.*--language"):
        run_import(project, bare, Options(licence="MIT"))


class Hub:
    """A hub of one set, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        import datasets
        import huggingface_hub

        self.asked: list[object] = []
        self.folder = folder
        monkeypatch.setattr(datasets, "load_dataset", self.load)
        monkeypatch.setattr(huggingface_hub, "hf_hub_download", self.download)

    def load(self, name, config, *, split, streaming, revision):
        self.asked.append((name, config, split, streaming, revision))
        if name != "owner/set":
            raise FileNotFoundError(f"{name}\nis not there")
        return [{"prompt": "One?", "category": "hate"}, {"prompt": None, "category": "hate"}]

    def download(self, name, file, *, repo_type, revision):
        self.asked.append((name, file, repo_type, revision))
        return str(self.folder / Path(file).name)


def test_the_hub_is_asked_only_for_what_was_named(
    project: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(monkeypatch, tmp_path)
    run_import(project, str(put(tmp_path / "a.csv", "prompt\nOne?\n")), Options(licence="MIT", language="en"))
    assert hub.asked == []
    options = Options(licence="MIT", language="en", config="or-bench-toxic", split="test")
    found = run_import(project, "hf://datasets/owner/set@v1", options)
    assert set(hub.asked) == {("owner/set", "or-bench-toxic", "test", True, "v1")}
    assert (found.step, found.rejects) == ("import-owner-set-or-bench-toxic", Counter({"no_text": 1}))
    with pytest.raises(InputError, match=r"cannot read owner/none from the hub: owner/none is not there"):
        run_import(project, "owner/none", Options(layout="hub", licence="MIT", language="en"))


def test_one_file_of_the_hub_with_a_mapping(
    project: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(monkeypatch, tmp_path)
    put(tmp_path / "set.csv", "lang,q,klass,ok\nEnglish,One?,w,yes\n")
    mapping = put(tmp_path / "map.toml", MAPPING)
    found = run_import(project, "hf://datasets/owner/paper/data/set.csv", Options(mapping=mapping))
    assert hub.asked == [("owner/paper", "data/set.csv", "dataset", None)]
    assert (found.step, found.prompts) == ("import-owner-paper-data-set", Counter({("en", "benign"): 1}))
    assert json.loads(project.table(Prompt).rows()[0].detail)["row"] == "data/set.csv:2"


@pytest.mark.parametrize(
    "address", ["hf://datasets/owner", "hf://datasets/../../etc/passwd", "hf://datasets/o/n/../x", "hf://datasets/"]
)
def test_an_address_that_is_none_is_refused(project: Workspace, address: str) -> None:
    with pytest.raises(InputError, match="is no data set on the hub"):
        run_import(project, address)


def test_the_command_says_what_was_imported_and_what_was_dropped(project: Workspace, tmp_path: Path) -> None:
    source = str(put(tmp_path / "a.csv", "prompt,language\nOne?,en\nOne?,en\n,en\nUn,fr\n"))
    call = ["import", source, "-p", str(project.root), "--licence", "MIT"]
    shown = CliRunner().invoke(app, call)
    assert "import-a" in shown.stdout and "no_text" in shown.stdout and "other_language" in shown.stdout
    assert "1 rows repeat an earlier one, 0 prompts were in the project before" in shown.stderr
    found = json.loads(CliRunner().invoke(app, [*call, "--json"]).stdout)
    assert found == {"step": "import-a", "layout": "generic", "prompts": {"en": {"unknown": 2}}, "dropped": {"no_text": 1, "other_language": 1},
                     "within": 1, "elsewhere": 0, "computed": 0}  # fmt: skip
