"""The part of the prompt that memory has: a snapshot, taken when a conversation begins."""

from __future__ import annotations

import asyncio

from hermes import PluginContext, PromptSection, PromptSession
from hermes_plugin_memory_files import wording
from hermes_plugin_memory_files.book import Book
from hermes_plugin_memory_files.project import project_of
from hermes_plugin_memory_files.settings import read


class Snapshot(PromptSection):
    """What is marked *always*, and what belongs to the conversation's project.

    It stays as it was: what changes afterwards is told beside a message (`MemoryFiles.recall`).
    """

    rank = 70

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def render(self, session: PromptSession) -> str:
        if session.brief or self._context.incognito:
            return ""
        told = await asyncio.to_thread(self._read, session)
        session.sources.extend(["memory:prompt"] if told else ())
        return told

    def _read(self, session: PromptSession) -> str:
        home = self._context.paths.home
        book = Book(home, session.info.person, read(self._context.settings, self._context.config))
        return wording.snapshot(book, book.entries(), project_of(session.info.directory, home))
