"""The conversation at a prompt."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from hermes import (
    OWNER,
    Answered,
    Asked,
    Event,
    HermesError,
    Question,
    Reply,
    TurnFinished,
    one_line,
)
from hermes_plugin_chat.asking import DENY, Questions, ask
from hermes_plugin_chat.banner import banner, recap
from hermes_plugin_chat.context import ChatContext
from hermes_plugin_chat.keyboard import Interrupted, Keyboard
from hermes_plugin_chat.request import Request
from hermes_plugin_chat.screen import Screen
from hermes_plugin_chat.show import Show
from hermes_plugin_chat.stopping import stop

if TYPE_CHECKING:
    from hermes.conversation import Conversation
    from hermes.runtime import Runtime

TWICE = 2.0
"""Seconds in which a second Ctrl+C at the prompt leaves."""
LEAVING = ("exit", "quit")
"""What people type to leave, without a slash."""


class Source(Protocol):
    """Where messages come from."""

    async def message(self, prompt: str, more: str) -> str:
        """Give the next message. Raises EOFError, or Interrupted for Ctrl+C."""


class Chat:
    """One conversation after the other, on one screen."""

    def __init__(
        self,
        runtime: Runtime,
        here: Conversation,
        request: Request,
        screen: Screen,
        keyboard: Keyboard | None,
    ) -> None:
        self.runtime = runtime
        self.here = here
        self.screen = screen
        self.next = ""
        """Id of the conversation that a command wants to go on in."""
        self.left = False
        self.authority = request.authority(can_ask=keyboard is not None)
        self._request = request
        self._keyboard = keyboard
        self._slash = runtime.host.slash
        self._doing: asyncio.Task[Any] | None = None
        """The reading or the command under way."""
        self._reading = False
        self._shown: Show | None = None
        """The turn under way."""
        self._presses = 0
        """Of Ctrl+C in this turn."""
        self._pressed = -TWICE
        """When Ctrl+C was pressed at the prompt."""

    async def run(self, source: Source) -> None:
        """Read and answer until the person leaves."""
        screen = self.screen
        opening: asyncio.Task[None] | None = None
        try:
            if screen.live:
                await banner(screen, self.runtime, self.here, self._request)
            await self._arrive()
            opening = asyncio.ensure_future(self._open_provider())
            while not self.left:
                text = await self._read(source)
                if text.strip():
                    await self._take(text)
        finally:
            if opening is not None:
                opening.cancel()
        if screen.live and self.here.info.records and not self._request.incognito:
            screen.line(f"hermes -r {self.here.info.id} goes on with this conversation", "dim")

    async def _read(self, source: Source) -> str:
        """Read a message; empty where there was none."""
        symbols, style = self.screen.symbols, self.screen.style
        prompt = style(symbols.prompt, "bold", "green") + " "
        self.screen.fresh()
        self._doing = reading = asyncio.ensure_future(
            source.message(prompt, style(symbols.more, "dim") + " ")
        )
        self._reading = True
        try:
            return await reading
        except EOFError:
            self.left = True
            if self._keyboard is not None:
                self.screen.line()
        except Interrupted:
            self._pressed_at_prompt()
        except asyncio.CancelledError:
            if not self.left:
                raise
        finally:
            self._reading, self._doing = False, None
        return ""

    async def _take(self, text: str) -> None:
        """Run a command or answer a message."""
        if text.strip().lower() in LEAVING:
            self.left = True
            return
        command = self._slash.parse(text)
        if command is not None:
            await self._guarded(self._command(*command))
        else:
            await self._guarded(self._say(text))
        if self.next:
            await self._guarded(self._switch())

    async def _guarded(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do it; an error is a line, and Ctrl+C ends it."""
        self._doing = task = asyncio.ensure_future(work)
        try:
            await task
        except HermesError as error:
            self.screen.line(str(error), "red")
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's command)
            self.runtime.log.error("command failed", error=one_line(error))
            self.screen.line(one_line(error), "red")
        except asyncio.CancelledError:
            if _ending() or not task.cancelled():
                task.cancel()
                raise
            self.screen.line("interrupted", "dim")
        finally:
            self._doing = None

    async def _command(self, name: str, rest: str) -> None:
        name, command = self._slash.find(name)
        await command.run(ChatContext(self), command.words(rest), f"/{name}")

    async def _say(self, text: str) -> None:
        request = self._request
        events = self.here.send(
            text, authority=self.authority, toolsets=request.toolsets, steps=request.steps
        )
        await self.show(events)

    async def _switch(self) -> None:
        id, self.next = self.next, ""
        self.here = await self.runtime.conversation(self._request.key, id=id)
        if self.here.info.records:
            await self.here.bind(self._request.key)
        await self._arrive()

    async def _arrive(self) -> None:
        """Say where the conversation was left, and go on with a turn that was interrupted."""
        here = self.here
        if not here.info.records:
            return
        if self._request.toolsets:
            self.screen.line("-t counts for new conversations; this one has its tools", "dim")
        if self.screen.live:
            await recap(self.screen, here)
        if here.info.open_turn:
            await self._guarded(self.show(here.resume(authority=self.authority)))

    async def _open_provider(self) -> None:
        """Open the model's provider while the person types; what is wrong shows when it is used."""
        with suppress(HermesError):
            await self.runtime.warm(await self.here.model())
            self._slash.names()

    # turns ---------------------------------------------------------------------------------------

    async def show(self, events: AsyncIterator[Event], *, failure: bool = True) -> TurnFinished:
        """Show a turn to its end; what is asked meanwhile is answered here.

        *failure* False leaves the line of a failed turn to the caller.
        """
        self._shown = show = Show(self.screen, stream=self._request.stream, failure=failure)
        questions = self._questions()
        finished = TurnFinished("failed", "The turn did not end.")
        waiting: list[Event] = []
        self._presses = 0
        try:
            async for event in events:
                if isinstance(event, Asked) and questions is not None:
                    show.pause()
                    questions.put(event)
                elif isinstance(event, Answered) and questions is not None:
                    questions.settled(event.id)
                else:
                    waiting.append(event)
                if isinstance(event, TurnFinished):
                    finished = event
                    if questions is not None:
                        await questions.close()
                if questions is None or questions.idle.is_set():
                    for each in waiting:
                        show(each)
                    waiting.clear()
        finally:
            self._shown = None
            self.screen.clear_status()
            if questions is not None:
                await questions.close()
        return finished

    def _questions(self) -> Questions | None:
        if self._keyboard is None:
            return None

        async def answer(id: str, choice: str, text: str) -> bool:
            return await self.runtime.answer(id, choice, text, by=OWNER)

        return Questions(self.screen, self._keyboard, answer)

    async def ask(self, question: Question) -> Reply:
        """Ask on behalf of a command."""
        if self._keyboard is None:
            return Reply(DENY, "nobody can be asked here")
        choice, text = await ask(self.screen, self._keyboard, question.text, question.choices)
        return Reply(choice, text, OWNER)

    # Ctrl+C and signals --------------------------------------------------------------------------

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Take Ctrl+C."""
        loop = asyncio.get_running_loop()
        before = signal.getsignal(signal.SIGINT)
        loop.add_signal_handler(signal.SIGINT, self.interrupt)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, before)

    def interrupt(self) -> None:
        """Ctrl+C: stop the turn, end the command, or ask whether to leave."""
        if self._shown is not None:
            self._shown.pause()
            self._presses += 1
            if self._presses == 1:
                self.screen.line(f"{self.screen.symbols.stop} stopping", "dim")
                stop(self.runtime, self.here.info.id, lambda: self._shown is not None)
            elif self._presses == 2:
                self.screen.line("still stopping; Ctrl+C again leaves Hermes", "dim")
            else:
                signal.raise_signal(signal.SIGTERM)
        elif self._reading:
            self._pressed_at_prompt()
        elif self._doing is not None:
            self._doing.cancel()

    def _pressed_at_prompt(self) -> None:
        now = time.monotonic()
        if now - self._pressed <= TWICE:
            self.left = True
            if self._doing is not None:
                self._doing.cancel()
        else:
            self.screen.line("Ctrl+C again leaves", "dim")
        self._pressed = now


def _ending() -> bool:
    """Whether the whole chat is being ended, not only what it does."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
