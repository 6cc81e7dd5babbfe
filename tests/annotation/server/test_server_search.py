"""Laws of the search engine, each against a plain reading of the query or the text in Python."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from annotation.server.child.search import querystring, ranking
from annotation.server.child.search.analysis import GAP, indexed
from annotation.server.child.search.compiler import UnknownQuery, compile_query
from annotation.server.child.search.store import Store
from annotation.server.child.search.tables import MissingIndex

NAME = "rg.test"
ODD = "we.ird na'me--"
MAPPINGS: dict[str, Any] = {
    "dynamic": "strict",
    "properties": {
        "id": {"type": "keyword"},
        "status": {"type": "keyword"},
        "external_id": {"type": "keyword"},
        "inserted_at": {"type": "date_nanos"},
        "fields.prompt": {"type": "text"},
        "fields.reply": {"type": "text"},
        "fields.chat": {"type": "object", "properties": {"content": {"type": "text"}, "role": {"type": "keyword"}}},
        "fields.picture": {"type": "object", "enabled": False},
        "metadata.topic": {"type": "keyword"},
        "metadata.length": {"type": "long"},
        "metadata.score": {"type": "float"},
        "suggestions.label": {
            "type": "object",
            "properties": {
                "value": {"type": "keyword"},
                "score": {"type": "float"},
                "agent": {"type": "keyword"},
                "type": {"type": "keyword"},
            },
        },
        "responses": {
            "type": "nested",
            "properties": {
                "status": {"type": "keyword"},
                "user_id": {"type": "keyword"},
                "label": {"type": "keyword"},
                "rating": {"type": "integer"},
                "note": {"type": "object", "enabled": False},
            },
        },
    },
}
MATCH_ALL: dict[str, Any] = {"match_all": {}}


@pytest.fixture
def store() -> Any:
    made = Store(":memory:")
    made.create(NAME, MAPPINGS, {})
    yield made
    made.close()


def document(rng: random.Random, at: int) -> dict[str, Any]:
    """A document with every kind of value, present or not."""
    made: dict[str, Any] = {
        "external_id": f"x{at}",
        "status": rng.choice(["pending", "completed"]),
        "fields": {"prompt": f"text {at}"},
    }
    metadata = {
        "topic": rng.choice([None, "a", "b", ["a", "c"]]),
        "length": rng.choice([None, "007", 3, 12]),
        "score": rng.choice([None, 0.13, -5, 120020.13]),
        "undeclared": "never seen",
    }
    made["metadata"] = {name: value for name, value in metadata.items() if value is not None}
    if rng.random() < 0.6:
        made["suggestions"] = {
            "label": {
                "value": rng.choice(["a", "b"]),
                "score": rng.choice([None, 0.1, 0.9]),
                "agent": "m",
                "type": None,
            }
        }
    made["responses"] = [
        {
            "id": f"r{at}-{user}",
            "status": rng.choice(["submitted", "draft", "discarded"]),
            "user_id": f"u{user}",
            "label": rng.choice([["a"], ["a", "b"], None]),
            "rating": rng.choice([1, 2, 3]),
            "note": {"free": "text"},
        }
        for user in range(3)
        if rng.random() < 0.4
    ]
    return made


def single(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def values_of(document: Mapping[str, Any], field: str, response: Mapping[str, Any] | None) -> list[Any]:
    """All values of a field, in its type."""
    head, _, name = field.partition(".")
    if head == "responses":
        found: list[Any] = []
        for one in [response] if response is not None else document["responses"]:
            value = one.get(name)
            found.extend(value if isinstance(value, list) else [value])
    elif head == "metadata":
        value = document["metadata"].get(name)
        found = value if isinstance(value, list) else [value]
        if name == "score":
            found = [None if one is None else single(one) for one in found]
        if name == "length":
            found = [None if one is None else int(one) for one in found]
    elif head == "suggestions":
        value = document.get("suggestions", {}).get("label", {}).get(name.rpartition(".")[2])
        found = [single(value) if isinstance(value, float) else value]
    else:
        found = [document.get(head)]
    return [one for one in found if one is not None]


def holds(query: Mapping[str, Any], document: Mapping[str, Any], response: Mapping[str, Any] | None = None) -> bool:
    """What the query means, word for word."""
    ((kind, body),) = query.items()
    if kind == "match_all":
        return True
    if kind == "bool":
        must = body.get("must", [])
        must = must if isinstance(must, list) else [must]
        should = body.get("should", [])
        least = body.get("minimum_should_match", 0 if must or body.get("must_not") else 1)
        return (
            all(holds(one, document, response) for one in must)
            and not any(holds(one, document, response) for one in body.get("must_not", []))
            and (not should or sum(holds(one, document, response) for one in should) >= least)
        )
    if kind == "nested":
        return any(holds(body["query"], document, one) for one in document["responses"])
    if kind == "exists":
        return (
            bool(document["responses"])
            if body["field"] == "responses"
            else bool(values_of(document, body["field"], response))
        )
    ((field, wanted),) = body.items()
    found = values_of(document, field, response)
    if kind == "range":
        low, high = wanted.get("gte", -math.inf), wanted.get("lte", math.inf)
        return any(single(low) <= single(one) <= single(high) for one in found)
    return any(one in (wanted if kind == "terms" else [wanted]) for one in found)


def leaf(rng: random.Random, nested: bool) -> dict[str, Any]:
    """A random condition on one field."""
    keywords = {
        "responses.status": ["submitted", "draft"],
        "responses.user_id": ["u0", "u1", "u9"],
        "responses.label": ["a", "b"],
    }
    numbers = ["responses.rating"]
    if not nested:
        keywords |= {
            "status": ["pending"],
            "metadata.topic": ["a", "b", "c"],
            "suggestions.label.value": ["a", "b"],
            "suggestions.label.agent": ["m", "n"],
        }
        numbers += ["metadata.length", "metadata.score", "suggestions.label.score"]
    kind = rng.choice(["term", "terms", "range", "exists"])
    if kind == "range":
        limits = {"gte": rng.choice([-10, 0.13, 2]), "lte": rng.choice([0.9, 3, 200000])}
        kept = {name: limits[name] for name in rng.sample(sorted(limits), rng.randint(1, 2))}
        return {"range": {rng.choice(numbers): kept}}
    field = rng.choice(sorted(keywords))
    if kind == "exists":
        return {"exists": {"field": field if nested else rng.choice([field, "responses", "metadata.length"])}}
    if kind == "term":
        return {"term": {field: rng.choice(keywords[field])}}
    return {"terms": {field: rng.sample(keywords[field], rng.randint(1, len(keywords[field])))}}


def random_query(rng: random.Random, depth: int = 3, nested: bool = False) -> dict[str, Any]:
    """A random tree of conditions."""
    choice = rng.random()
    if depth == 0 or choice < 0.3:
        return leaf(rng, nested)
    if choice < 0.45 and not nested:
        return {"nested": {"path": "responses", "query": random_query(rng, depth - 1, nested=True)}}
    parts = {
        name: [random_query(rng, depth - 1, nested) for _ in range(rng.randint(1, 2))]
        for name in rng.sample(["must", "must_not", "should"], rng.randint(1, 2))
    }
    body: dict[str, Any] = dict(parts)
    if "should" in body and rng.random() < 0.5:
        body["minimum_should_match"] = rng.randint(1, len(body["should"]))
    return {"bool": body}


def text_query(q: str, field: str = "*") -> dict[str, Any]:
    return {"simple_query_string": {"query": q, "fields": [f"fields.{field}"], "default_operator": "AND"}}


def ids(found: ranking.Found) -> list[str]:
    return [key for key, _ in found.hits]


def texts(store: Store, *prompts: str) -> None:
    store.put(NAME, [(str(at), {"fields": {"prompt": prompt}}) for at, prompt in enumerate(prompts)])


@pytest.mark.parametrize("seed", range(12))
def test_sql_finds_what_the_query_says(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    documents = {f"d{at}": document(rng, at) for at in range(40)}
    store.put(NAME, documents.items())
    for _ in range(60):
        query = random_query(rng)
        expected = [key for key, one in documents.items() if holds(query, one)]
        found = ranking.search(store, NAME, query, size=100)
        assert (ids(found), found.total) == (expected, len(expected)), query


def test_an_unknown_clause_is_an_error_and_never_an_empty_answer(store: Store) -> None:
    for query in ({"fuzzy": {"a": "b"}}, {"term": {"a": 1}, "ids": {}}):
        with pytest.raises(UnknownQuery):
            compile_query(store.index(NAME), query)
    with pytest.raises(MissingIndex):
        ranking.search(store, "rg.none", MATCH_ALL)


@pytest.mark.parametrize(
    "words",
    [
        ("東京の夜", "夜の東京タワー", "京都"),
        ("ฉันรักประเทศไทย", "ประเทศ", "ไทยแลนด์"),
        ("ສະບາຍດີ", "ສະບາຍ"),
        ("មនុស្សខ្មែរ", "ខ្មែរ"),
        ("မြန်မာစာ", "မြန်မာ"),
        ("上海和北京", "北京", "京北"),
        ("カタカナ・テスト", "カタカナ", "ﾃｽﾄ"),
    ],
)
def test_unspaced_scripts_find_every_substring(store: Store, words: tuple[str, ...]) -> None:
    texts(store, *words)
    for text in words:
        for start in range(len(text)):
            part = text[start : start + 2].strip(" ・")
            if part and " " not in part and "・" not in part:
                expected = [str(at) for at, one in enumerate(words) if part in one]
                assert sorted(ids(ranking.search(store, NAME, text_query(part)))) == expected, part


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("मैं हिन्दी में लिखता हूँ", ["हिन्दी", "हूँ"], ["हिन", "दी"]),
        ("كيف أقتل عملية في لينكس؟", ["أقتل", "لينكس"], ["قتل"]),
        ("איך להרוג תהליך?", ["תהליך"], ["תהל"]),
        ("Größe und Straße", ["größe", "STRASSE".replace("SS", "ß")], ["gross"]),
        ("It's 3.14, isn't it? user_id", ["it's", "it\u2019s", "3.14", "isn't", "user_id"], ["isn", "14", "user"]),
        ("파리의 밤", ["파리*", "밤"], ["파리"]),
        ("e\u0301te\u0301 composed", ["\u00e9t\u00e9"], ["ete"]),
        ("smile \U0001f600!", ["\U0001f600"], ["\U0001f601"]),
    ],
)
def test_words_of_spaced_scripts(store: Store, text: str, inside: list[str], outside: list[str]) -> None:
    texts(store, text)
    assert [q for q in inside if ranking.search(store, NAME, text_query(q)).total != 1] == []
    assert [q for q in outside if ranking.search(store, NAME, text_query(q)).total != 0] == []


def test_operators_bind_from_left_to_right(store: Store) -> None:
    texts(store, "a", "b", "c", "a b", "a c", "b c", "a b c")

    def found(q: str) -> set[str]:
        return {
            prompt
            for key, prompt in enumerate(["a", "b", "c", "a b", "a c", "b c", "a b c"])
            for prompt in [prompt]
            if str(key) in ids(ranking.search(store, NAME, text_query(q)))
        }

    assert found("a b") == found("a + b") == {"a b", "a b c"}
    assert found("a | b c") == {"a c", "b c", "a b c"}
    assert found("b c | a") == {"b c", "a b c", "a", "a b", "a c"}
    assert found("a | (b c)") == {"a", "a b", "a c", "b c", "a b c"}
    assert found("a -b") == {"a", "a c"}
    assert found("-(a | b)") == {"c"}
    assert found('"a b"') == {"a b", "a b c"} and found('"b a"') == set()
    assert found("*") == {"a", "b", "c", "a b", "a c", "b c", "a b c"}
    assert found("...") == found("") == found('"') == set()


def test_any_typed_text_is_a_query(store: Store) -> None:
    texts(store, "some text", "夜")
    rng = random.Random(5)
    for _ in range(2000):
        typed = "".join(rng.choice("ab夜 \"'()|+-*~\\:{}^0.,;\u0000\ud83dกи") for _ in range(rng.randint(0, 12)))
        tree = querystring.parse(typed)
        found = ranking.search(store, NAME, text_query(typed))
        assert 0 <= found.total <= 2 and (tree is not None or found.total == 0)


@pytest.mark.parametrize("size", [10, 100, 1000, 5000])
@pytest.mark.parametrize(
    "shape",
    ["w{} ", "w{} | ", "w{} | w{} ", "-w{} ", "w{} -z{} ", "-w{} | ", "(w{} ", "(w{} | (w{} ", '"w{} ', "w{}夜"],
)
def test_a_pasted_page_is_a_query_too(store: Store, shape: str, size: int) -> None:
    texts(store, " ".join(f"w{at}" for at in range(size)), "other")
    typed = "".join(shape.replace("{}", str(at)) for at in range(size))
    assert ranking.search(store, NAME, {"bool": {"must": [text_query(typed)]}}).total in (0, 1, 2)


def test_terms_may_stand_in_different_fields_and_a_field_limits_them(store: Store) -> None:
    store.put(
        NAME,
        [
            ("1", {"fields": {"prompt": "card", "reply": "declined"}}),
            ("2", {"fields": {"chat": [{"role": "user", "content": "card one"}, {"role": "bot", "content": "two"}]}}),
            ("3", {"fields": {"picture": "card.png"}}),
        ],
    )
    assert ids(ranking.search(store, NAME, text_query("card declined"))) == ["1"]
    assert ids(ranking.search(store, NAME, text_query("card declined", "prompt"))) == []
    assert ids(ranking.search(store, NAME, text_query("card", "chat.*"))) == ["2"]
    assert ids(ranking.search(store, NAME, text_query('"one two"'))) == [], "no phrase runs across messages"
    assert ids(ranking.search(store, NAME, text_query("card", "unknown"))) == []
    assert ids(ranking.search(store, NAME, text_query(GAP))) == []


def test_filters_never_change_scores_and_scores_fall(store: Store) -> None:
    texts(store, "card", "card payment", "payment payment card", "nothing")
    plain = ranking.search(store, NAME, {"bool": {"must": [text_query("card payment")]}})
    filtered = ranking.search(
        store, NAME, {"bool": {"must": [text_query("card payment")], "filter": {"bool": {"must": [MATCH_ALL]}}}}
    )
    assert plain == filtered and plain.total == 2
    scores = [score for _, score in plain.hits if score is not None]
    assert scores == sorted(scores, reverse=True) and min(scores) > 0
    assert {score for _, score in ranking.search(store, NAME, MATCH_ALL).hits} == {1.0}


def test_pages_join_to_the_whole(store: Store) -> None:
    texts(store, *("same text" for _ in range(57)))
    for query in (MATCH_ALL, text_query("same"), mine("u1")):
        whole = ids(ranking.search(store, NAME, query, size=100))
        pages = [ids(ranking.search(store, NAME, query, size=10, offset=at)) for at in range(0, 60, 10)]
        assert [key for page in pages for key in page] == whole and len(whole) == 57


def mine(user: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
    functions = [{"random_score": {"seed": user, "field": "_seq_no"}}]
    return {"function_score": {"query": {"bool": {"must": [query or MATCH_ALL]}}, "functions": functions}}


def test_in_a_small_index_everyone_goes_the_same_way_started_records_first(store: Store) -> None:
    texts(store, *(f"text {at}" for at in range(20)))
    inserted = [str(at) for at in range(20)]
    for user in ("u1", "u2"):
        assert ids(ranking.search(store, NAME, mine(user), size=50)) == inserted
    for record, status in (("7", "submitted"), ("5", "draft"), ("3", "discarded")):
        store.put_response(NAME, record, {"id": f"r{record}", "status": status, "user_id": "u1"})
    expected = ["5", "7"] + [one for one in inserted if one not in ("5", "7")]
    assert ids(ranking.search(store, NAME, mine("u2"), size=50)) == expected
    store.put(NAME, [("0", {"fields": {"prompt": "changed"}})])
    assert ids(ranking.search(store, NAME, mine("u2"), size=50)) == expected, "a change keeps the place"


def test_in_a_large_index_everyone_has_a_stable_order_of_their_own(store: Store) -> None:
    texts(store, *(f"text {at}" for at in range(200)))

    def order(user: str) -> list[str]:
        return ids(ranking.search(store, NAME, mine(user), size=500, small=100))

    assert order("u1") == order("u1") != order("u2")
    assert sorted(order("u1")) == sorted(order("u2")) and len(order("u1")) == 200
    assert len(set(order("u1")[:50]) & set(order("u2")[:50])) < 30


def test_missing_values_come_last_in_both_directions(store: Store) -> None:
    for key, topic in (("1", None), ("2", "b"), ("3", "a"), ("4", None), ("5", ["0", "z"])):
        store.put(NAME, [(key, {"metadata": {} if topic is None else {"topic": topic}})])
    up = ranking.search(store, NAME, MATCH_ALL, sort=[{"metadata.topic": "asc"}])
    assert ids(up) == ["5", "3", "2", "1", "4"] and {score for _, score in up.hits} == {None}
    down = ranking.search(store, NAME, MATCH_ALL, sort=[{"metadata.topic": {"order": "desc"}}])
    assert ids(down) == ["5", "2", "3", "1", "4"]


def test_sorting_by_one_users_answers(store: Store) -> None:
    for key, mine_, theirs in (("1", 3, 1), ("2", 1, 9), ("3", 2, 5)):
        responses = [
            {"id": f"{key}a", "user_id": "me", "status": "submitted", "rating": mine_},
            {"id": f"{key}b", "user_id": "you", "status": "submitted", "rating": theirs},
        ]
        store.put(NAME, [(key, {"responses": responses})])
    nested = {"path": "responses", "filter": {"terms": {"responses.user_id": ["me"]}}}
    spec = {"responses.rating": {"order": "asc", "mode": "avg", "nested": nested}}
    assert ids(ranking.search(store, NAME, MATCH_ALL, sort=[spec])) == ["2", "3", "1"]
    del nested["filter"]
    assert ids(ranking.search(store, NAME, MATCH_ALL, sort=[spec])) == ["1", "3", "2"]


def test_counts_of_values(store: Store) -> None:
    rng = random.Random(3)
    documents = {f"d{at}": document(rng, at) for at in range(50)}
    store.put(NAME, documents.items())
    found = ranking.aggregated(
        store,
        NAME,
        MATCH_ALL,
        {
            "topics": {"terms": {"field": "metadata.topic", "size": 100}},
            "all": {"value_count": {"field": "metadata.topic"}},
            "score": {"stats": {"field": "metadata.score"}},
            "none": {"stats": {"field": "metadata.unknown"}},
        },
    )
    values = [value for one in documents.values() for value in values_of(one, "metadata.topic", None)]
    counted = {bucket["key"]: bucket["doc_count"] for bucket in found["topics"]["buckets"]}
    assert counted == {value: values.count(value) for value in set(values)}
    assert list(counted.values()) == sorted(counted.values(), reverse=True)
    assert found["all"]["value"] == len(values)
    assert found["score"]["max"] == single(120020.13) and found["none"]["min"] is None
    for user in ("u0", "u1"):
        statuses = [one["status"] for made in documents.values() for one in made["responses"] if one["user_id"] == user]
        assert ranking.user_progress(store, NAME, user) == {one: statuses.count(one) for one in set(statuses)}


def test_names_and_values_are_never_taken_for_sql(store: Store) -> None:
    store.extend(NAME, {f"metadata.{ODD}": {"type": "keyword"}})
    store.put(NAME, [("1", {"metadata": {ODD: "'; DROP TABLE documents; --"}}), ("2", {})])
    query = {"term": {f"metadata.{ODD}": "'; DROP TABLE documents; --"}}
    assert ids(ranking.search(store, NAME, query)) == ["1"]
    assert ids(ranking.search(store, NAME, MATCH_ALL, sort=[{f"metadata.{ODD}": "asc"}])) == ["1", "2"]
    assert ids(ranking.search(store, NAME, {"exists": {"field": 'metadata.a"b'}})) == []


def test_parts_can_be_changed_alone(store: Store) -> None:
    response = {"id": "r1", "status": "draft", "user_id": "u1", "rating": 1}
    store.put(NAME, [("1", {"status": "pending", "metadata": {"topic": "a"}, "responses": [response]})])
    store.merge(NAME, "1", {"status": "completed"})
    store.merge(NAME, "1", {"metadata": {"length": 3}})
    store.merge(NAME, "1", {"suggestions": {"label": {"value": "b", "agent": "m"}}})
    for query in (
        {"term": {"status": "completed"}},
        {"term": {"metadata.topic": "a"}},
        {"term": {"metadata.length": "3"}},
        {"term": {"suggestions.label.value": "b"}},
        {"term": {"responses.rating": "1"}},
    ):
        assert ids(ranking.search(store, NAME, query)) == ["1"], query
    store.put_response(NAME, "1", {**response, "status": "submitted", "rating": 2})
    assert ids(ranking.search(store, NAME, {"term": {"responses.rating": "1"}})) == []
    assert store.counts(NAME) == (1, 1, 0)
    store.remove_response(NAME, "1", "r1")
    store.remove_suggestion(NAME, "1", "label")
    assert ids(ranking.search(store, NAME, {"exists": {"field": "responses"}})) == []
    assert ids(ranking.search(store, NAME, {"exists": {"field": "suggestions.label.value"}})) == []
    store.merge(NAME, "unknown", {"status": "completed"})
    store.remove(NAME, ["1", "unknown"])
    assert store.counts(NAME) == (0, 0, 0) and ranking.search(store, NAME, text_query("text")).total == 0


def test_a_write_that_fails_leaves_nothing_behind(store: Store) -> None:
    texts(store, "before")
    with pytest.raises(TypeError):
        store.put(NAME, [("a", {"fields": {"prompt": "after"}}), ("b", {"vectors": {"v": [object()]}})])
    assert store.counts(NAME) == (1, 0, 0)
    assert ranking.search(store, NAME, text_query("after")).total == 0
    texts(store, "before")


def test_the_file_holds_everything_and_no_field_text_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "search.db"
    first = Store(file)
    first.create(NAME, MAPPINGS, {})
    texts(first, "Hello WORLD")
    first.close()
    second = Store(file)
    assert ids(ranking.search(second, NAME, text_query("world"))) == ["0"] and second.names() == [NAME]
    second.delete(NAME)
    assert second.names() == []
    second.close()
    assert b"Hello WORLD" not in file.read_bytes()
    assert indexed("Hello, WORLD!") == "hello world"


def test_nearest_by_vector_is_exact(store: Store) -> None:
    rng = random.Random(1)
    vectors = {str(at): [rng.uniform(-1, 1) for _ in range(8)] for at in range(300)}
    vectors["zero"] = [0.0] * 8
    store.put(NAME, [(key, {"status": "pending", "vectors": {"v": one}}) for key, one in vectors.items()])

    def cosine(a: list[float], b: list[float]) -> float:
        norms = math.hypot(*a) * math.hypot(*b)
        return sum(x * y for x, y in zip(a, b, strict=True)) / norms if norms else 0.0

    wanted = vectors["17"]
    expected = sorted(vectors, key=lambda key: -cosine(wanted, vectors[key]))
    found = ranking.nearest(store, NAME, "v", wanted, 20)
    assert ids(found) == expected[:20] and found.total == 20
    assert found.hits[0][1] == pytest.approx(1.0, abs=1e-5)
    assert all(score == pytest.approx((1 + cosine(wanted, vectors[key])) / 2, abs=1e-5) for key, score in found.hits)
    assert ids(ranking.nearest(store, NAME, "v", wanted, 3, excluded="17")) == expected[1:4]
    only = [{"ids": {"values": expected[100:103]}}]
    assert ids(ranking.nearest(store, NAME, "v", wanted, 20, filters=only)) == expected[100:103]
    store.merge(NAME, "18", {"vectors.v": wanted})
    assert set(ids(ranking.nearest(store, NAME, "v", wanted, 2))) == {"17", "18"}
    store.remove(NAME, ["17"])
    assert ids(ranking.nearest(store, NAME, "v", wanted, 1)) == ["18"]
    assert ranking.nearest(store, NAME, "unknown", wanted, 5).hits == []
    assert ranking.nearest(store, NAME, "v", [1.0], 5).hits == []
