"""`trocar watch`: what the node's robots, beds and alarms say, who holds, its camera's picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from teleop.cli.words import CONFIG, Commands, add_json, looks_of, seconds_of

WHAT = ("robots", "standing", "vitals", "alarms", "video")


def add(commands: Commands) -> None:
    """Describe the command."""
    watch = commands.add_parser(
        "watch",
        help="show robots, who holds and who waits, vital signs, alarms, or how video arrives",
        description="Show what the robots of the running node say of themselves (it needs no key, "
        "and is unverified: an observer cannot check the seal); who holds its robot and who waits, "
        "told live by the session service to an observer with a key; the vital signs and alarms of "
        "its beds; or how old its camera's picture is when it can be shown here.",
    )
    watch.add_argument("what", nargs="?", choices=WHAT, default="robots")
    watch.add_argument("--config", type=Path, help="the node's node.toml (default: the running)")
    watch.add_argument("--robot", metavar="R", help="this robot alone (default: all)")
    watch.add_argument(
        "--as", dest="name", default="", metavar="NAME", help="standing: which observer, if several"
    )
    add_json(watch, "an object for each arm and look, with CRTK's names; or for each change")
    watch.add_argument("--rate", type=looks_of, default=10.0, metavar="HZ", help="looks a second")
    watch.add_argument(
        "--seconds", type=seconds_of, default=0.0, metavar="S", help="from the first state on"
    )
    watch.add_argument("--save", type=Path, metavar="PNG", help="video: keep the last picture")
    watch.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from teleop.node.console import running_node

    if arguments.what == "video":
        from teleop.node import video

        config = running_node(arguments.config, CONFIG)
        return video.watch(config, arguments.seconds, as_json=arguments.json, save=arguments.save)

    from teleop.node.watch import Wish, watch

    wish = Wish(arguments.robot, arguments.rate, arguments.seconds, arguments.json)
    if arguments.what == "standing":
        from teleop.node import standing

        return standing.watch(running_node(arguments.config, CONFIG), wish, arguments.name)
    if arguments.what == "alarms":
        from teleop.node import alarms

        return alarms.watch(running_node(arguments.config, CONFIG), wish)
    if arguments.what == "vitals":
        from teleop.node import vitals

        return vitals.watch(running_node(arguments.config, CONFIG), wish)
    return watch(running_node(arguments.config, CONFIG), wish)
