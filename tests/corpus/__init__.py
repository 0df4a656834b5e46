"""Models as public projects have them, for what is counted and compared over all of them.

Each file is one kind of project, after the reading of seven public ones: what they use, in the
proportions in which they do. Of a hundred classes there, about sixty are plain columns with keys
and relations, forty have a type of the project's own or of a package (GUID, choices, UTC moments,
encrypted text, a search vector), a third noted moments by a mixin, twelve relations whose rows are
deleted with them, five listeners of mappers, four validators, three an own constructor, three an
inheritance, two a hybrid of the clock, one a version column.
"""
