"""Versions of the benchmark: the recipe that leads to one, building, checking, scoring and reporting."""
