#!/usr/bin/env python3
"""Make a release: ``.venv/bin/python packaging/release.py VERSION``. CONTRIBUTING.rst says what comes before and after.

It refuses what does not agree, with all that is wrong at once, and builds the source distribution, the wheel and the
packages of distributions in ``dist/`` from what is committed. It tags and publishes nothing, but prints how to.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_CHECKOUT = Path(__file__).parents[1]
_VERSION = re.compile(r"\d+\.\d+\.\d+")
#: A section of the changelog: its title, underlined.
_SECTION = re.compile(r"^(.+)\n-+\n", re.MULTILINE)
#: The scripts that build packages, and their words.
_PACKAGES = (("deb/build", "bookworm"), ("deb/build", "trixie"), ("rpm/build",))
_DATED = re.compile(r"(\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)")

_NEXT = """
{files}

Passed on commit {commit}, both of them?
  .ci/run
  tests/versions lowest && tests/versions newest trixie
Then:
  git tag --annotate --message "nuage-plugin {version}" v{version} {commit}
  git push origin v{version}
and publish the files above. Next, add a section "Unreleased" at the top of CHANGELOG.rst.
"""


def main(*words: str) -> str | None:
    """Make the release; return what is wrong, or None."""
    if len(words) != 1 or not _VERSION.fullmatch(words[0]):
        return "usage: packaging/release.py VERSION, such as 1.1.0"
    (version,) = words
    if problems := [*_versions(version), *_changelog(version), *_repository()]:
        return "\n".join([f"{version} cannot be released:", *(f"- {problem}" for problem in problems)])
    files = "\n".join(_line(path) for path in _build(version))
    print(_NEXT.format(files=files, commit=_git("rev-parse", "--short=12", "HEAD"), version=version))
    return None


def _versions(version: str) -> Iterator[str]:
    """Compare the version with the package's own, and with earlier releases."""
    found = re.search(r'__version__ = "(.+)"', (_CHECKOUT / "nuage" / "__init__.py").read_text())
    if found is None or found[1] != version:
        yield f"nuage/__init__.py: __version__ is {found and found[1]}; set it to {version}"
    for tag in _git("tag", "--list", "v*").split():
        if _VERSION.fullmatch(tag[1:]) and _order(tag[1:]) >= _order(version):
            yield f"tag {tag} is there already, and {version} is no later version"


def _changelog(version: str) -> Iterator[str]:
    """Check the sections' titles: the newest has this version and today's date, and the older ones follow in order."""
    text = (_CHECKOUT / "CHANGELOG.rst").read_text()
    titles = _SECTION.findall(text)
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    wanted = f"{version} ({today})"
    if titles[:1] != [wanted]:
        yield f'CHANGELOG.rst: the first section is "{"".join(titles[:1])}"; it has to be "{wanted}"'
    released = [(_order(version), today)]
    for title in titles[1:]:
        if dated := _DATED.fullmatch(title):
            released.append((_order(dated[1]), dated[2]))
        else:
            yield f'CHANGELOG.rst: "{title}" is no version with a date'
    if released != sorted(released, reverse=True):
        yield "CHANGELOG.rst: versions or dates are not in order, the newest first"
    if titles and not _SECTION.split(text)[2].strip():
        yield "CHANGELOG.rst: the first section is empty"


def _repository() -> Iterator[str]:
    """Check that everything that would be built is committed."""
    if changed := _git("status", "--porcelain"):
        yield f"not committed: {', '.join(line.split(maxsplit=1)[1] for line in changed.splitlines())}"


def _build(version: str) -> list[Path]:
    """Build all files only from what is committed, not from anything else in the checkout."""
    target = _CHECKOUT / "dist"
    with tempfile.TemporaryDirectory(prefix="nuage-release") as folder:
        _git("clone", "--quiet", str(_CHECKOUT), folder)
        builders = [[sys.executable, "-m", "build", "--outdir", str(target), folder]]
        for script, *words in _PACKAGES:
            builders.append([f"{folder}/packaging/{script}", *words, str(target)])
        # They build the man pages with the Python that runs this.
        environ = {**os.environ, "PYTHON": sys.executable}
        for argv in builders:
            subprocess.run(argv, cwd=folder, env=environ, stdout=subprocess.DEVNULL, check=True)
    return sorted(target.glob(f"nuage[_-]plugin[_-]{version}[.+-]*"))


def _line(path: Path) -> str:
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(_CHECKOUT)}"


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=_CHECKOUT, capture_output=True, text=True, check=True).stdout.rstrip()


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except subprocess.CalledProcessError as failed:
        # What builds a package has said by itself what was wrong.
        sys.exit(f"{shlex.join(failed.cmd)}: exit status {failed.returncode}\n{failed.stderr or ''}".rstrip())
