"""What .gitignore and .rayignore hide, by Git's rules: https://git-scm.com/docs/gitignore."""

from __future__ import annotations

from pathlib import Path

from pathspec import GitIgnoreSpec

NAMES = (".gitignore", ".rayignore")


class Ignored:
    """The rules of a folder and of those above it, up to the repository's root."""

    def __init__(self, root: Path) -> None:
        self.root = _repository(root)
        self._rules: dict[Path, list[tuple[Path, GitIgnoreSpec]]] = {}

    def by(self, path: Path) -> str | None:
        """`FILE: pattern` of the rule that hides a file or a folder above it, else None.

        Args:
            path: absolute, below the root.
        """
        steps = path.relative_to(self.root).parts
        here = self.root
        for number, step in enumerate(steps, 1):
            here = here / step
            # A file in a hidden folder is hidden, whatever rules stand beside it.
            folder = number < len(steps) or here.is_dir()
            if found := self._decide(here, folder):
                return found
        return None

    def _decide(self, path: Path, folder: bool) -> str | None:
        """By the nearest rules first, as Git."""
        for home in (path.parent, *path.parent.parents):
            for source, spec in self._of(home):
                name = path.relative_to(home).as_posix() + ("/" if folder else "")
                found = spec.check_file(name)
                if found.index is not None and found.include is not None:
                    if not found.include:
                        return None
                    rule = str(spec.patterns[found.index].pattern)
                    return f"{source.relative_to(self.root).as_posix()}: {rule}"
            if home == self.root:
                return None
        return None

    def _of(self, folder: Path) -> list[tuple[Path, GitIgnoreSpec]]:
        if folder not in self._rules:
            self._rules[folder] = [
                (path, GitIgnoreSpec.from_lines(path.read_text("utf-8", "replace").splitlines()))
                for name in NAMES
                if (path := folder / name).is_file()
            ]
        return self._rules[folder]


def _repository(folder: Path) -> Path:
    """The nearest folder that holds .git, else the folder itself."""
    return next((p for p in (folder, *folder.parents) if (p / ".git").exists()), folder)
