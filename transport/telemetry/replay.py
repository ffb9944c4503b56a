"""Does again what stands on a tape, with the same core, and names the first thing that differs.

Rules
-----
- A replay begins where its tape does: the core is made anew, of the same, and fed with all that
  follows; or at a record that has the core whole, when it was at rest.
- A record that is missing or damaged ends it, by its number: what followed could not be the same.
- It is for the build that made the tape, on a machine of its kind: another compiler or libm may
  round another way, and that too is a difference that it names.
"""

from __future__ import annotations

from typing import NamedTuple

from transport.telemetry.tape import Entry

#: So much of a value is shown.
VALUE_CHARS = 80


class Difference(NamedTuple):
    """The first thing that differs.

    Parameters
    ----------
    number, t_ns : of the record at which it shows, and its process's clock there
    what : in words
    input_number, input : the last record that was fed before, and what it was
    """

    number: int
    t_ns: int
    what: str
    input_number: int
    input: str


class Replay:
    """A core that lives through a tape again; whoever inherits knows which core, and how.

    Attributes
    ----------
    inputs, transitions, portraits : what was fed, came out, and was compared so far
    has_begun : whether a beginning was found
    difference : what ended it; None while all is the same
    """

    def __init__(self) -> None:
        self.inputs = self.transitions = self.portraits = 0
        self.has_begun = False
        self.difference: Difference | None = None
        self._number = 0
        self._last = (0, "")

    def take(self, entry: Entry) -> Difference | None:
        """Do one record again; what differs, once something does."""
        if self.difference is not None or not (self.has_begun or self.can_begin(entry)):
            return self.difference
        if not entry.is_whole:
            self.differ(entry, "the record is damaged: its check sum does not agree")
        elif self.has_begun and entry.number != self._number + 1:
            self.differ(entry, f"records {self._number + 1} to {entry.number - 1} are missing")
        else:
            self._number = entry.number
            self._try(entry)
        return self.difference

    def can_begin(self, entry: Entry) -> bool:
        """Tell whether this is a beginning."""
        return entry.number == 1

    def begin(self, entry: Entry) -> None:
        """Make the core of what the beginning says."""
        raise NotImplementedError

    def do(self, entry: Entry) -> None:
        """Feed or drain the core as the record says, and compare."""
        raise NotImplementedError

    def fed(self, entry: Entry, what: str) -> None:
        """Note an input, before it is fed."""
        self.inputs += 1
        self._last = (entry.number, what)

    def differ(self, entry: Entry, what: str) -> None:
        """Note the first difference."""
        if self.difference is None:
            self.difference = Difference(entry.number, entry.t_ns, what, *self._last)

    @staticmethod
    def shortly(value: object) -> str:
        """Write a value as a line has room for it."""
        text = repr(value)
        return text if len(text) <= VALUE_CHARS else f"{text[:VALUE_CHARS]}..."

    def _try(self, entry: Entry) -> None:
        try:
            if self.has_begun:
                self.do(entry)
            else:
                self.has_begun = True
                self.begin(entry)
        except Exception as error:  # whatever a core makes of what no core was fed with
            self.differ(entry, f"the record cannot be done again: {error!r}")
