"""What a person can mend: the text of each of these is a sentence for that person.

NodeError
├── ConfigError   node.toml is wrong: file, line, key, what was expected (mistakes.py)
├── RunDirError   the run directory cannot be used (rundir.py)
│   └── Busy      another noded keeps this node
├── Unready       keys, store or ports are not there (up.py)
├── NoNodeError   none runs here (whereabouts.py)
└── ConsoleError  a console got no robot (console.py)
"""


class NodeError(Exception):
    """Something that a person can mend."""
