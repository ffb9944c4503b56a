"""A button that is no button: a file in the node's run directory whose presence means pressed.

For the demo and for tests; nobody can lean on it. `device` is the file's name in
`<run_dir>/estop` (0700); that folder is the cable: when it is gone, nobody knows the button.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from transport.io.button import ButtonFault, ButtonSettings
from transport.io.process import Runtime

FOLDER: Final = "estop"


def open_button(settings: ButtonSettings, runtime: Runtime) -> FileButton:
    """Make the folder, if it is not there.

    Raises
    ------
    ButtonFault
    """
    try:
        path = path_of(runtime.path(""), settings.device)
        path.parent.mkdir(mode=0o700, exist_ok=True)
    except (OSError, ValueError) as error:
        raise ButtonFault(f"{settings.device}: no file to be a button: {error}") from error
    return FileButton(path)


def path_of(run_dir: Path, device: str) -> Path:
    """Name the file of a button.

    Raises
    ------
    ValueError : not the plain name of a file
    """
    if Path(device).name != device or device == "..":
        raise ValueError("a plain name, without folders")
    return run_dir / FOLDER / device


class FileButton:
    """A file that is there or not."""

    def __init__(self, path: Path) -> None:
        self._path, self._folder = str(path), str(path.parent)

    def closed(self) -> bool:
        """Tell whether nobody has put the file there."""
        os.stat(self._folder)
        try:
            os.lstat(self._path)
        except FileNotFoundError:
            return True
        return False

    def close(self) -> None:
        """Nothing is held."""
