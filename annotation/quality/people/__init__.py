"""How one person answers: accuracy, strictness, drift, pace, runs, anchoring."""
