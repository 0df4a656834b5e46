"""The peers' programs, each as its own documentation advises; they run in `.venv` beside this."""
