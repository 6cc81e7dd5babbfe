"""A search engine for Argilla on SQLite: same answers, no Elasticsearch."""
