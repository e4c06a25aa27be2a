"""A console of the smallest kind: says its size and every key, delivers a file, ends on q."""

import io
import os
import sys

from textual.app import App, ComposeResult
from textual.events import Key, Resize
from textual.widgets import Label


class ToyConsole(App[None]):
    """What the browser tests talk to in place of a station's console."""

    def compose(self) -> ComposeResult:
        yield Label(f"toy console {os.getpid()}")
        yield Label("", id="size")
        yield Label("", id="key")

    def on_resize(self, event: Resize) -> None:
        self.query_one("#size", Label).update(f"size {event.size.width} x {event.size.height}")

    def on_key(self, event: Key) -> None:
        self.query_one("#key", Label).update(f"key <{event.key}>")
        if event.key == "d":
            self.deliver_text(io.StringIO("tag,value\nFREQ,60.0\n"), save_filename="alarms.csv")
        if event.key == "q":
            self.exit()


if __name__ == "__main__":
    if "--deaf" in sys.argv:  # one that hangs: asked to quit or terminated, it stays
        import signal
        import time

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(1, b"__GANGLION__\n")
        text = f"toy console {os.getpid()}".encode()
        os.write(1, b"D" + len(text).to_bytes(4, "big") + text)
        while True:
            time.sleep(60.0)
    ToyConsole().run()
