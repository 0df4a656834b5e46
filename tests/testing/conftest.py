"""What the tests of the kit have in common."""

# A project of its own, which shuffles its tests, runs in a process of its own.
collect_ignore = ["project"]
