"""The pitfalls of SQLAlchemy in FastAPI: each shown on the guide's program, and absent here."""
