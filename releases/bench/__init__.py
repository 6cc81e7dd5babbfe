"""Measurements behind the README's tables: each bench writes rows with value, interval, n, bar, and whether the bar held."""
