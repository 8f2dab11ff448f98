"""Command lines in the documentation."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "deployments").glob("*.md"),
        *(ROOT / "helm").rglob("*.md"),
        *(ROOT / "kafka").glob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
    ]
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_OF_A_SHELL = ("sh", "bash", "console", "")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_ENDS = ("|", "||", "&", "&&", ";", ";;", "(", ")")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True)
class Command:
    """One command: where it stands, and its words without redirections and variables before it."""

    page: str
    words: tuple[str, ...]

    @property
    def program(self) -> str:
        """The program's name, without its directory."""
        return self.words[0].rpartition("/")[2]

    def option(self, *names: str) -> list[str]:
        """The values of an option that may stand there several times."""
        return [value for name, value in zip(self.words, self.words[1:], strict=False) if name in names]


def commands(program: str) -> list[Command]:
    """Every command of a program in a block of shell, that within ``kubectl exec ... -- `` too."""
    return [command for page in PAGES for command in _of_page(page) if command.program == program]


def mentioned(program: str) -> list[Command]:
    """Those in the middle of a sentence: they may leave out what must be there."""
    found = []
    for page in PAGES:
        for text in _INLINE.findall(page.read_text()):
            if text.startswith(f"{program} ") and not re.search(r"[|\[…]|\.\.\.", text):
                found += [Command(_name(page), words) for words in _split(text)]
    return found


def blocks(language: str) -> list[tuple[str, str]]:
    """Every block of a language, with the page where it stands."""
    found = ((page, _BLOCK.findall(page.read_text())) for page in PAGES)
    return [(_name(page), text) for page, all_of_page in found for named, text in all_of_page if named == language]


def _of_page(page: Path) -> Iterator[Command]:
    for block in (text for language, text in _BLOCK.findall(page.read_text()) if language in _OF_A_SHELL):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            try:
                split = list(_split(line.removeprefix("$ ")))
            except ValueError:  # a picture or the JSON of an answer, in which quotes have no end
                continue
            for words in split:
                yield Command(_name(page), words)
                if "--" in words and words[words.index("--") + 1 :]:
                    yield Command(_name(page), words[words.index("--") + 1 :])


def _split(line: str) -> Iterator[tuple[str, ...]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    words: list[str] = []
    is_target = False
    for token in [*lexer, ";"]:
        if token in _ENDS:
            while words and _ASSIGNMENT.match(words[0]):
                del words[0]
            if words:
                yield tuple(words)
            words = []
        elif token and set(token) <= set("<>&"):
            is_target = True
        elif is_target:
            is_target = False
        elif token != "...":
            words.append(token)


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))
