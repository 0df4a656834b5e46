"""What pytest promises nobody: which modules it writes anew. A seam, apart from the others.

Those load SQLAlchemy, and the plugin is loaded with every run of pytest.
"""

from __future__ import annotations

__all__ = ["leave_unwritten"]


def leave_unwritten(pluginmanager: object) -> None:
    """Take our modules from those whose assertions pytest writes anew as it imports them.

    It does so to all of a package that has a plugin, in every project that has it installed. That
    takes seconds where no bytecode is kept, as in many containers, and we assert for nobody. Where
    pytest has no such list any more, it may do as it likes.
    """
    marked = getattr(getattr(pluginmanager, "rewrite_hook", None), "_must_rewrite", None)
    if isinstance(marked, set):
        marked.discard("ormolu")
