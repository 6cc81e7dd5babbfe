"""Review sessions: planned small batches for named people, with practice, gold items, adjudication and a close."""
