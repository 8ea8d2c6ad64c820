"""A turn on the screen: its text as it comes, its tools as one line each, how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hermes import (
    Event,
    Notice,
    PluginEvent,
    StreamRestarted,
    TextChunk,
    ThinkingChunk,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    TurnFinished,
)
from hermes_plugin_chat.screen import Screen, clip

TELLING = ("command", "path", "file", "query", "pattern", "url", "name", "text")
"""Arguments that say most of a call, first to last; otherwise its first one does."""


class Show:
    """Shows the events of one turn. *failure* False leaves the line of a failed one to others."""

    def __init__(self, screen: Screen, *, stream: bool = True, failure: bool = True) -> None:
        self._failure = failure
        self._screen = screen
        self._stream = stream and screen.live
        self._step = -1
        self._said = ""
        """Text of the step under way."""
        self._pending: dict[str, str] = {}
        """Running calls, as they are shown."""
        self._begun = ""
        """Id of the call whose line is still open."""
        screen.status("working")

    def __call__(self, event: Event) -> None:
        match event:
            case TextChunk():
                self._text(event)
            case ThinkingChunk():
                self._screen.status("thinking")
            case StreamRestarted():
                self._restarted(event)
            case ToolStarted():
                self._started(event)
            case ToolProgress():
                if not self._begun:
                    self._screen.status(event.text.strip().rpartition("\n")[2])
            case ToolFinished():
                self._finished(event)
            case Notice(text=text):
                self.note(text)
            case PluginEvent(text=text) if text:
                self.note(text)
            case TurnFinished():
                self._ended(event)
            case _:
                pass

    def note(self, text: str) -> None:
        """Show a line about the turn."""
        self._close_line()
        self._screen.line(f"{self._screen.symbols.note} {text}", "dim")

    def pause(self) -> None:
        """Something else will be written now."""
        self._close_line()
        self._screen.fresh()

    def _text(self, chunk: TextChunk) -> None:
        if chunk.step != self._step:
            self._end_step()
            self._step = chunk.step
        text = chunk.text if self._said else chunk.text.lstrip()
        self._said += text
        if self._stream and text:
            self._close_line()
            self._screen.text(text)

    def _end_step(self) -> None:
        """Finish the text of a step: more comes beneath it."""
        if self._said and not self._stream:
            self._screen.fresh()
            self._screen.text(self._said.rstrip())
        if self._said:
            self._screen.fresh()
        self._said, self._step = "", -1

    def _restarted(self, event: StreamRestarted) -> None:
        if self._said and self._stream:
            reason = f": {event.reason}" if event.reason else ""
            self.note(f"what this answer said so far does not count{reason}")
        elif event.reason:
            self._screen.status(event.reason)
        self._said = ""

    def _started(self, event: ToolStarted) -> None:
        self._end_step()
        self._close_line()
        self._pending[event.id] = label = self._label(event.tool, event.arguments)
        if self._screen.live:
            tool, _, rest = label.partition(" ")
            screen = self._screen
            styled = screen.style(f"{screen.symbols.tool} {tool}", "cyan") + (rest and f" {rest}")
            screen.begin(styled)
            self._begun = event.id

    def _label(self, tool: str, arguments: str) -> str:
        return clip(f"{tool} {telling(arguments)}", max(20, self._screen.width - 16))

    def _finished(self, event: ToolFinished) -> None:
        screen = self._screen
        mark = screen.symbols.bad if event.is_error else screen.symbols.ok
        end = screen.style(mark, "red" if event.is_error else "green")
        end += " " + screen.style(f"{event.elapsed:.1f}s", "dim")
        label = self._pending.pop(event.id, "")
        if self._begun == event.id:
            self._begun = ""
            screen.finish(f" {end}")
        else:
            self._end_step()
            self._close_line()
            screen.begin(f"{screen.symbols.tool} {label or clip(event.tool, 40)}")
            screen.finish(f" {end}")
        if event.is_error:
            first = event.text.strip().partition("\n")[0]
            screen.line(f"  {clip(first, screen.width - 3)}", "dim")
        screen.status("working")

    def _close_line(self) -> None:
        if self._begun:
            self._begun = ""
            self._screen.finish(" " + self._screen.style(self._screen.symbols.more, "dim"))

    def _ended(self, event: TurnFinished) -> None:
        self._close_line()
        screen = self._screen
        if event.status == "ok":
            said = self._said
            self._end_step()
            if said.strip() != event.reply.strip():  # chunks were missed, or somebody changed it
                screen.text(event.reply.strip("\n"))
                screen.fresh()
            screen.clear_status()
            return
        self._end_step()
        if event.status == "cancelled":
            screen.line(f"{screen.symbols.stop} {event.reply or 'Stopped.'}", "dim")
        elif self._failure:
            screen.line(f"{screen.symbols.bad} {event.reply}", "red")


def telling(arguments: str) -> str:
    """Say in a few words what a call is about; *arguments* is JSON text."""
    try:
        given = json.loads(arguments)
    except ValueError:
        return arguments
    if not isinstance(given, Mapping) or not given:
        return ""
    name = next((name for name in TELLING if name in given), next(iter(given)))
    value = given[name]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
