"""Writers: ways in which candidate prompts come into being, each leaving its provenance (running.py says how they are run)."""
