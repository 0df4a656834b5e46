"""Ormolu."""
