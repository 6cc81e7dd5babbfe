"""Models seen from inside: activations, directions, boundary, steering, and prompts written toward the boundary."""
