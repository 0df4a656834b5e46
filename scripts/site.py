"""Makes a site of `docs/`: hooks of MkDocs, which `mkdocs.yml` names.

The README is its first page, the reference is made from the public names, and what a page links to
outside of `docs/` is a page too: so no link leads out of the site, and none is written twice.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[1]
_DOCS = PurePosixPath("docs")
_DECISIONS = PurePosixPath("docs/decisions")

# What is between the brackets of a link, and its anchor; not of a picture's, nor of another site's.
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")

_REFERENCE = {
    "The library": ("ormolu", "All else is SQLAlchemy's and FastAPI's own."),
    "The test kit": ("ormolu.testing", "Imported by [tests](testing.md)."),
}
_OPTIONS = """\
    options:
      heading_level: 3
      show_root_heading: true
      show_root_full_path: false
      show_source: false
      members_order: source
      filters: ["!^_"]
"""


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the pages that are no files of `docs/`."""
    added: dict[PurePosixPath, str] = {
        PurePosixPath("README.md"): (_ROOT / "README.md").read_text(),
        _DOCS / "reference.md": _reference(),
        _DECISIONS: _decisions(),
    }
    texts = {_DOCS / each.src_uri: each.content_string for each in files.documentation_pages()}
    waiting = [*texts.items(), *added.items()]
    while waiting:
        source, text = waiting.pop()
        for target in _outside(source, text):
            if target not in added and target not in texts:
                added[target] = page = _page_of(target)
                waiting.append((target, page))
    for source, text in added.items():
        files.append(File.generated(config, str(_place_of(source)), content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links lead to where their targets are in the site."""
    place = PurePosixPath(page.file.src_uri)
    source = _source_of(place)

    def moved(link: re.Match[str]) -> str:
        target = _resolved(source, link[1])
        return os.path.relpath(_place_of(target), place.parent) + (link[2] or "")

    return _LINK.sub(moved, markdown) if page.file.src_uri != "reference.md" else markdown


def _outside(source: PurePosixPath, text: str) -> Iterator[PurePosixPath]:
    """Yield what a page links to that has no page in `docs/`.

    Raises:
        FileNotFoundError: It is not there.
    """
    if source.suffix in {".md", ""}:
        for link in _LINK.finditer(text):
            target = _resolved(source, link[1])
            if not (_ROOT / target).exists():
                message = f"{source} links to {link[1]}, which is not there."
                raise FileNotFoundError(message)
            if target.parts[0] != "docs":
                yield target


def _resolved(source: PurePosixPath, link: str) -> PurePosixPath:
    """Return to which path of the project a link of a page leads."""
    folder = source if (_ROOT / source).is_dir() else source.parent
    return PurePosixPath(os.path.normpath(folder / link))


def _place_of(source: PurePosixPath) -> PurePosixPath:
    """Return where the page of a path of the project is."""
    if source == PurePosixPath("README.md"):
        return PurePosixPath("index.md")
    if (_ROOT / source).is_dir():
        source = source / "index.md"
    elif source.suffix not in {".md", ".svg"}:
        source = source.with_name(f"{source.name}.md")
    return source.relative_to(_DOCS) if source.parts[0] == "docs" else "project" / source


def _source_of(place: PurePosixPath) -> PurePosixPath:
    """Return of which path of the project a page is."""
    if place == PurePosixPath("index.md"):
        return PurePosixPath("README.md")
    source = place.relative_to("project") if place.parts[0] == "project" else _DOCS / place
    if source.name == "index.md":
        return source.parent
    return source if (_ROOT / source).exists() else source.with_suffix("")


def _page_of(source: PurePosixPath) -> str:
    """Return the page of a file or a folder of the project."""
    path = _ROOT / source
    if path.is_dir():
        listed = "\n".join(f"- {_entry(each)}" for each in sorted(path.iterdir()) if _is_told(each))
        return f"# {source}\n\n{listed}\n"
    text = path.read_text()
    if source.suffix == ".md":
        return text
    language = "python" if source.suffix == ".py" else "text"
    return f"# {source}\n\n````{language}\n{text}````\n"


def _is_told(path: Path) -> bool:
    is_module = path.suffix == ".py" and path.name != "__init__.py"
    return is_module or (path / "__init__.py").exists()


def _entry(path: Path) -> str:
    module = path / "__init__.py" if path.is_dir() else path
    told = (ast.get_docstring(ast.parse(module.read_text())) or "").partition("\n")[0]
    return f"`{path.name}`: {told}"


def _decisions() -> str:
    """Return the list of all decisions, the newest first."""
    folder = _ROOT / _DECISIONS
    lines = ["# Decisions", "", "Why it is as it is, and what else was considered.", ""]
    for path in sorted(folder.glob("*.md"), reverse=True):
        title = path.read_text().partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join(lines) + "\n"


def _reference() -> str:
    """Return a page with all public names."""
    lines = ["# Reference", ""]
    for title, (module, told) in _REFERENCE.items():
        lines += [f"## {title}", "", told, ""]
        for name in _public_names(module):
            lines += [f"::: {module}.{name}", _OPTIONS]
    return "\n".join(lines)


def _public_names(module: str) -> list[str]:
    path = _ROOT / "src" / Path(*module.split(".")) / "__init__.py"
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return sorted(names, key=str.lower)
    message = f"{path} has no __all__."
    raise ValueError(message)
