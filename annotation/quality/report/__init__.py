"""The audit as people read it: one HTML file, with the tables that its pictures are drawn from."""
