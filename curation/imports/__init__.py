"""Imports: prompts of public sets and of users' own files, by their published layouts or by a mapping file."""
