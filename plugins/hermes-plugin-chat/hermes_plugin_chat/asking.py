"""Questions to the person at the terminal: approvals by one key, others by a line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from hermes import Asked
from hermes_plugin_chat.keyboard import Keyboard
from hermes_plugin_chat.screen import Screen, shown

Answer = Callable[[str, str, str], Awaitable[bool]]
"""Takes a question's id, the choice and a free text; False when it came too late."""
DENY = "deny"


class Questions:
    """Puts the questions of a turn one after the other, and answers them."""

    def __init__(self, screen: Screen, keyboard: Keyboard, answer: Answer) -> None:
        self._screen = screen
        self._keyboard = keyboard
        self._answer = answer
        self._open: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()
        self.idle = asyncio.Event()
        """Set while nothing is asked."""
        self.idle.set()

    def put(self, asked: Asked) -> None:
        """Ask, after what is asked already."""
        self.idle.clear()
        task = asyncio.ensure_future(self._ask(asked))
        self._open[asked.id] = task
        task.add_done_callback(lambda done: self._done(asked.id))

    def settled(self, id: str) -> None:
        """Somebody answered elsewhere, or nobody did in time."""
        if id in self._open:
            self._open[id].cancel()
            self._screen.line("answered elsewhere", "dim")

    async def close(self) -> None:
        """Withdraw what is still asked: the turn has ended."""
        tasks = list(self._open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, id: str) -> None:
        self._open.pop(id, None)
        if not self._open:
            self.idle.set()

    async def _ask(self, asked: Asked) -> None:
        async with self._turn:
            choice, text = await ask(self._screen, self._keyboard, asked.text, asked.choices)
            self._open.pop(asked.id, None)  # from here on the answer is ours
            if not await self._answer(asked.id, choice, text):
                self._screen.line("too late: it was answered elsewhere, or its time is over", "dim")


async def ask(
    screen: Screen, keyboard: Keyboard, text: str, choices: Sequence[str]
) -> tuple[str, str]:
    """Put one question; give the choice, or an empty one and the free text."""
    keyboard.forget()
    screen.line()
    first, *rest = shown(text).splitlines() or [""]
    screen.line(f"? {first}", "bold")
    for line in rest:
        screen.line(f"  {line}")
    try:
        if not choices:
            screen.begin("> ")
            said = await keyboard.answer()
            screen.line()
            return "", said
        keys = assign(choices)
        screen.begin(
            "  " + "  ".join(_marked(screen, key, each) for key, each in keys.items()) + " "
        )
        choice = keys[await keyboard.key("".join(keys))]
    except EOFError:
        choice = DENY
    screen.finish(
        screen.style(f"→ {choice}" if screen.symbols.ok == "✓" else f"> {choice}", "bold")
    )
    return choice, ""


def assign(choices: Sequence[str]) -> dict[str, str]:
    """Give each choice a key: the first letter of it that is free, else a digit."""
    keys: dict[str, str] = {}
    for number, choice in enumerate(choices, 1):
        letters = [letter for letter in choice.lower() if letter.isalnum() and letter.isascii()]
        free = (
            letter for letter in [*letters, str(number), *"0123456789xyz"] if letter not in keys
        )
        keys[next(free)] = choice
    return keys


def _marked(screen: Screen, key: str, choice: str) -> str:
    label = shown(choice)
    place = label.lower().find(key)
    if place < 0:
        return f"[{screen.style(key, 'bold')}] {label}"
    return f"{label[:place]}[{screen.style(label[place], 'bold')}]{label[place + 1 :]}"
