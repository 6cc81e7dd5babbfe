"""What runs inside the server's own environment: Argilla 2.8.0 in one process. Imports nothing of morbench."""
