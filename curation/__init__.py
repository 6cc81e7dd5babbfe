"""The ground floor: vocabulary, errors, tables, steps, language packs, duplicates, refusal labels, imports and triage."""
