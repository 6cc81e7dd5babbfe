"""Refusal labels of replies."""
