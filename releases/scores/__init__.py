"""Scores of models on a release: over-refusal and safety, always together, each with its n and interval."""
