"""Checking language packs: what is missing, what is weak, and what a project has of each language."""
