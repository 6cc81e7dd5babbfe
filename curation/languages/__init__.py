"""Languages: packs (seeds, phrases, grammar, guidelines) and identification."""
