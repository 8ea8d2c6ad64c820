"""The models on this machine's disk: the bundled one, the configured file, those in ``models``."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hermes import ModelInfo
from hermes_plugin_local.gguf import Gguf, GgufError, read
from hermes_plugin_local.settings import LocalSettings
from hermes_plugin_local.weights import BUNDLED, check


class LocalModel(msgspec.Struct, frozen=True):
    """A file that was looked at and can be loaded."""

    file: Path
    gguf: Gguf
    window: int
    bundled: bool
    stamp: tuple[int, int]
    """Size and time of the file: another file under its name is another model."""


class Shelf:
    """Finds models by name. A GGUF file's name without its ending is the model's name."""

    def __init__(self, home: Path, settings: LocalSettings) -> None:
        self.folder = home / "models"
        self._settings = settings
        given = settings.model.strip()
        self._given = home / Path(given).expanduser() if given else None
        self._opened: dict[str, LocalModel] = {}

    @property
    def default(self) -> str:
        """The configured file's name, else the bundled model's."""
        return self._given.stem if self._given else BUNDLED.name

    def names(self) -> list[str]:
        """Name every model, the default first."""
        found = sorted(f.stem for f in self.folder.glob("*.gguf") if f.name != BUNDLED.file)
        return list(dict.fromkeys((self.default, BUNDLED.name, *found)))

    def has(self, name: str) -> bool:
        """Whether there is such a model; the bundled one is there even before it is fetched."""
        return name in self.names()

    def is_bundled(self, name: str) -> bool:
        return self.file(name) == self.folder / BUNDLED.file

    def file(self, name: str) -> Path:
        """Say where the file of *name* is or would be."""
        if self._given is not None and name == self._given.stem:
            return self._given
        return self.folder / (BUNDLED.file if name == BUNDLED.name else f"{name}.gguf")

    def open(self, name: str) -> LocalModel:
        """Look at the file: the bundled one by its hash, any by its format. Blocks up to 0.5 s.

        A file that did not change since is not looked at again. Raises `GgufError` or OSError.
        """
        file = self.file(name)
        stat = file.stat()
        stamp = (stat.st_size, stat.st_mtime_ns)
        known = self._opened.get(name)
        if known is not None and known.stamp == stamp:
            return known
        bundled = self.is_bundled(name)
        if bundled:
            check(file, BUNDLED)
        gguf = read(file)
        window = min(self._settings.window, gguf.window or self._settings.window)
        self._opened[name] = model = LocalModel(file, gguf, window, bundled, stamp)
        return model

    def info(self, name: str) -> ModelInfo:
        """Say what is known of a model, fetched or not."""
        window, tools, summary = None, False, ""
        if self.is_bundled(name):
            window, summary = min(self._settings.window, BUNDLED.window), BUNDLED.summary
        try:
            model = self.open(name)
        except (GgufError, OSError):
            return ModelInfo(name, window, tools, False, summary)
        return ModelInfo(name, model.window, model.gguf.tools, False, summary or model.gguf.name)
