"""Makes the picture of the terminal in getting-started.md: ``python docs/images/terminal.py``.

A terminal (tmux) runs the demo as a person would; what stands there after a while is drawn with rich and Chromium.
Needs both programs and the font DejaVu Sans Mono.
"""

import argparse
import io
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from PIL import Image
from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 100, 36
COMMAND = "hermes demo --cameras 4 --no-footage"
READY_LIMIT_S = 600.0
_COLOURS = 64


def main() -> None:
    """Run the demo, let it answer for a while, and write the picture."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=45.0, help="how long the demo answers first")
    arguments.add_argument("--out", type=Path, default=Path(__file__).with_name("terminal.png"))
    chosen = arguments.parse_args()
    screen = _screen_of_the_demo(chosen.seconds)
    _draw(screen, chosen.out)
    sys.stdout.write(f"wrote {chosen.out}\n")


def _screen_of_the_demo(seconds: float) -> str:
    """What stands in the terminal, with its colours as escape sequences."""
    server = f"hermes-{uuid4().hex[:8]}"

    def tmux(*words: str) -> str:
        return subprocess.run(["tmux", "-L", server, *words], check=True, capture_output=True, text=True).stdout

    bin_directory = shlex.quote(str(Path(sys.executable).parent))
    shell = f"env PS1='$ ' PATH={bin_directory}:$PATH COLORTERM=truecolor bash --norc"
    tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), shell)
    try:
        tmux("set", "-g", "default-terminal", "tmux-256color")
        tmux("send-keys", COMMAND, "Enter")
        deadline_s = time.monotonic() + READY_LIMIT_S
        while "Answers" not in tmux("capture-pane", "-p"):
            if time.monotonic() > deadline_s:
                raise SystemExit(f"the demo shows no answers: {tmux('capture-pane', '-p')}")
            time.sleep(1)
        time.sleep(seconds)
        screen = tmux("capture-pane", "-e", "-p")
        tmux("send-keys", "C-c")
        while "stopped" not in (left := tmux("capture-pane", "-p")) and not left.rstrip().endswith("$"):
            time.sleep(1)
    finally:
        tmux("kill-server")
    return screen.rstrip()


def _draw(screen: str, out: Path) -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen))
    svg = console.export_svg(title=COMMAND)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # it would be fetched from elsewhere
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    width, height = (float(number) for number in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())  # pyright: ignore[reportOptionalMemberAccess]
    browser = next(found for name in ("chromium", "google-chrome") if (found := shutil.which(name)))
    with tempfile.TemporaryDirectory() as directory:
        page = Path(directory) / "page.html"
        page.write_text(f"<body style='margin:0'>{svg.replace('<svg ', f'<svg width={width} ', 1)}</body>")
        size = f"--window-size={round(width)},{round(height)}"
        picture = [
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            size,
            f"--screenshot={out.absolute()}",
            page.as_uri(),
        ]
        subprocess.run([browser, *picture], check=True, capture_output=True)
    with Image.open(out) as drawn:  # a fifth of the bytes
        drawn.convert("RGB").quantize(_COLOURS).save(out, optimize=True)


if __name__ == "__main__":
    main()
