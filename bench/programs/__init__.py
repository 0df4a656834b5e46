"""The programs under measurement: one API, one pair of tables, written in several ways."""
