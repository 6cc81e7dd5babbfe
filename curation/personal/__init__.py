"""Personal data, secrets and markup in prompts: found, named and sent to people; never dropped, never printed in full."""
