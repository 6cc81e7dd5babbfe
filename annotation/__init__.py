"""People: the embedded Argilla, queues, responses and verdicts."""
