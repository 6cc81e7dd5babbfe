"""Triage: which prompts people look at, in which lane and order, and how often the automatic part was wrong."""
