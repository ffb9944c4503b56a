"""Every table and number of the reference, read from the code that decides it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum

import msgspec

from docs.generate import story, vectors
from docs.generate.fields import BY_NAME, MESSAGES, VOCABULARIES, first_line, members, rows
from docs.generate.hexview import annotate, plain
from monitor import alarmd, bulletin, ingest, monitord
from monitor import messages as monitor
from monitor import rows as monitor_rows
from monitor.alarms import alert, condition, holding, listener, roster
from monitor.vitals import events
from safety import clamp, deadline, grant, interlock, messages, profile, seat, state
from safety.gate import Verdict
from teleop.node.checks import LISTENERS
from teleop.node.sections import NodeConfig
from teleop.robot import arm, engagement, local, robotd
from teleop.session import sessiond
from teleop.topics import TOPICS
from transport.io import attachment, dialogue, hub, line
from transport.io.datagram import Direction
from transport.link import age, replay, sequence
from transport.wire import codec, errors, vector

MS = 1_000_000

#: Who says a message to whom.
FLOW = {
    "Attach": "end → relay",
    "Attached": "relay → end",
    "Clock": "both ways",
    "Refused": "relay → end",
    "Command": "console → relay → robot",
    "RobotState": "robot → relay → console",
    "Event": "robot → guards",
    "Ceiling": "a source → robot",
    "Bedside": "bedside → robot",
    "Token": "bedside → robot",
    "Bind": "bedside → robot",
    "Override": "bedside → robot",
    "Report": "robot → bedside",
    "Measure": "driver → robot",
    "Servo": "robot → driver",
    "Stop": "robot → driver",
    "Boot": "robot → sessions",
    "Request": "console → sessions",
    "Grant": "sessions → robot",
    "Granted": "sessions → console",
    "Denied": "sessions → console",
    "Acceptance": "robot → sessions",
    "Release": "console → sessions",
    "Revoke": "sessions → robot",
    "Samples": "device → monitor",
    "Reading": "device → monitor",
    "Numeric": "monitor → who listens",
    "Beat": "monitor → who listens",
    "Holding": "monitor → alarms",
    "Alert": "alarms → who listens",
    "Place": "alarms → who listens",
    "Alive": "alarms, monitor → who listens",
    "Ask": "who listens → alarms",
    "Page": "alarms → who listens",
    "Acknowledge": "who answers → alarms",
    "Pause": "who answers → alarms",
    "Limit": "who answers → alarms → monitor",
    "Patient": "who answers → alarms",
    "Done": "alarms → who answers",
    "Offer": "console → sessions",
    "Confirm": "console → sessions",
    "Withdraw": "console → sessions",
    "Standing": "sessions → console, observer",
    "Vouch": "robot → sessions",
    "Observe": "observer → sessions",
    "Succession": "sessions → robot",
}
#: The numbers that the prose mentions, by the name in its braces.
NUMBERS = {
    "version": str(codec.VERSION),
    "message_max": str(codec.MESSAGE_BYTES_MAX),
    "hops_max": str(codec.HOPS_BYTES_MAX),
    "tag_bytes": str(messages.TAG_BYTES),
    "unit_tolerance": f"{vector.UNIT_TOLERANCE:g}",
    "ping_ms": str(attachment.PING_NS // MS),
    "unanswered": str(attachment.UNANSWERED_MAX),
    "pause_min_ms": str(attachment.PAUSE_NS_MIN // MS),
    "pause_max_s": str(attachment.PAUSE_NS_MAX // (1000 * MS)),
    "detach_s": str(hub.SILENCE_NS // (1000 * MS)),
    "rate_hz": str(hub.RATE_HZ),
    "burst": str(hub.BURST),
    "console_frame_max": str(hub.FRAME_BYTES_MAX[hub.CONSOLE]),
    "robot_frame_max": str(hub.FRAME_BYTES_MAX[hub.ROBOT]),
    "dialogue_ms": str(dialogue.CLOCK_NS // MS),
    "token_ms": str(local.TOKEN_NS_MAX // MS),
    "handover_s": str(seat.HANDOVER_NS_MAX // (1000 * MS)),
    "dialogue_silence_s": str(line.SILENCE_NS // (1000 * MS)),
    "replay_width": str(replay.WIDTH),
    "ticks": str(age.TICKS),
    "floor_s": str(age.FLOOR_WINDOW_NS // (1000 * MS)),
    "jump_max": str(sequence.JUMP_MAX),
    "fresh_frames": str(engagement.FRESH_FRAMES),
    "resume_s": str(engagement.RESUME_NS_MAX // (1000 * MS)),
    "aligned_deg": "5",
    "near_mm": f"{arm.NEAR_M * 1000:g}",
    "hand_min_ms": str(deadline.HAND_NS_MIN // MS),
    "hand_max_ms": str(deadline.HAND_NS_MAX // MS),
    "recovery_ms": str(profile.LADDERS[profile.Profile.NATIVE].recovery_ns // MS),
    "blocks_max": str(monitor.BLOCKS_MAX),
    "samples_max": str(monitor.SAMPLES_MAX),
    "proof_s": str(monitor_rows.PROOF_NS // (1000 * MS)),
    "wait_ms": str(monitor_rows.DELAY_NS // MS),
    "unheard_s": str(monitor_rows.SILENCE_NS // (1000 * MS)),
    "repeat_s": str(bulletin.REPEAT_NS // (1000 * MS)),
    "device_hz": str(monitord.RATE_HZ),
    "device_burst": str(monitord.BURST),
    "alive_ms": str(alarmd.ALIVE_NS // MS),
    "silence_ms": str(listener.SILENCE_NS // MS),
    "judge_ms": str(holding.REPEAT_NS // MS),
    "settle_s": str(roster.SETTLE_NS // (1000 * MS)),
    "pause_s_max": str(alert.PAUSE_S_MAX),
    "desk_hz": str(alarmd.RATE_HZ),
    "desk_burst": str(alarmd.BURST),
    "rates_hz": ", ".join(f"{rate_hz:g}" for rate_hz in ingest.RATES_HZ),
    "command_bytes": str(len(story.SEALED_COMMAND)),
    "command_max": str(messages.Command.BYTES_MAX),
}


def kinds() -> str:
    """List every message."""
    found = []
    for vocabulary, owned in VOCABULARIES.items():
        for message in owned:
            name = f"[`{message.__name__}`](#{message.__name__.lower()})"
            row = (message.KIND, name, vocabulary, FLOW[message.__name__], message.BYTES_MAX)
            found.append(row)
    return table(("kind", "message", "vocabulary", "from → to", "≤ bytes"), found)


def fields(name: str) -> str:
    """Describe one message or record: heading, first sentence, fields."""
    struct = BY_NAME[name]
    said = first_line(struct)
    if issubclass(struct, codec.Message):
        said += f" Kind {struct.KIND}, at most {struct.BYTES_MAX} bytes."
    return f"### {name}\n\n{said}\n\n" + table(
        ("#", "field", "type", "unit", "meaning"), _field_rows(struct)
    )


def _field_rows(struct: type[msgspec.Struct]) -> Iterator[tuple[str, ...]]:
    """Lay out the fields; neighbours of one type that are explained together share a row."""
    for alike, group in itertools.groupby(rows(struct), key=lambda row: row[2:]):
        places, names = zip(*((str(row.place), f"`{row.name}`") for row in group), strict=True)
        yield ", ".join(places), ", ".join(names), *alike


def enum(name: str) -> str:
    """List the members of an enumeration that is on the wire."""
    named = [(value, f"`{member}`", said) for member, value, said in members(_ENUMS[name])]
    if not any(said for _, _, said in named):
        return table(("number", "name"), [row[:2] for row in named])
    return table(("number", "name", "meaning"), named)


def causes() -> str:
    """List why a state is what it is."""
    named = [(c.value, f"`{c.name}`", state.WORDS[c] or "—") for c in state.Cause]
    return table(("number", "name", "what a screen says"), named)


def rules() -> str:
    """List what may keep an arm from where its hand asks it to be."""
    words = {rule.value: clamp.WORDS[rule] for rule in clamp.Rule}
    named = [
        (value, f"`{name}`", said or "—", words[value] or "—")
        for name, value, said in members(clamp.Rule)
    ]
    return table(("number", "name", "meaning", "what a screen says"), named)


def refusals() -> str:
    """List why bytes are not a message."""
    found = errors.WireError.__subclasses__()
    named = [(f"`{error.cause}`", first_line(error)) for error in found]
    return table(("name", "the bytes are refused because of"), named)


def ladders() -> str:
    """List what silence does, by profile."""
    names = ("degraded", "HOLD", "latched", "PROTECTIVE_STOP", "largest loop")
    found = []
    for kind, ladder in profile.LADDERS.items():
        values = (ladder.degraded_ns, ladder.hold_ns, ladder.latched_ns, ladder.stop_ns)
        named = f"{kind.value} `{kind.name}`"
        found.append((named, *(v // MS for v in (*values, ladder.max_loop_ns))))
    return table(("profile", *(f"{name}, ms" for name in names)), found)


def raises() -> str:
    """List what raises permission."""
    acts = {name: said for name, _, said in members(interlock.Act)}
    found = []
    for old, row in sorted(interlock.RAISES.items()):
        for act, new in row.items():
            found.append((f"`{old.name}`", f"`{new.name}`", acts[act.name]))
    return table(("from", "to", "when"), found)


def doors() -> str:
    """List where one may connect, with which key."""
    config = NodeConfig()
    endpoints = {
        hub.CONSOLE: LISTENERS["relay.console"](config),
        hub.ROBOT: LISTENERS["relay.robot"](config),
        "session": LISTENERS["session.listen"](config),
        "guard": LISTENERS["robot.guard"](config),
        "driver": "`robot.driver_listen`",
        monitord.DEVICES: LISTENERS["monitor.listen"](config),
        monitord.LISTENERS: LISTENERS["monitor.publish"](config),
        alarmd.LISTENERS: LISTENERS["alarms.publish"](config),
        alarmd.DESK: LISTENERS["alarms.desk"](config),
    }
    let_in = {**hub.ROLES, **sessiond.DOORS, **robotd.DOORS, **monitord.DOORS, **alarmd.DOORS}
    found = []
    for domain, roles in let_in.items():
        names = ", ".join(f"`{role.value}`" for role in sorted(roles))
        found.append((f"`{domain}`", endpoints[domain], names))
    return table(("door", "by default at", "key of role"), found)


def rates() -> str:
    """List every flow with its rate and budget."""
    found = []
    for topic in TOPICS:
        rate = f"{topic.rate_hz}" if topic.rate_hz else "on occasion"
        budget = f"{topic.budget_ms:g}"
        way = f"{topic.source} → {topic.sink}"
        found.append((topic.name, f"`{topic.message.__name__}`", way, rate, budget, topic.carrier))
    return table(("flow", "message", "way", "Hz", "budget, ms", "carried by"), found)


def conditions() -> str:
    """List what can be wrong with a patient, or with what is known of one."""
    found = []
    for number, row in condition.CONDITIONS.items():
        metric = f"`{row.metric.name}`" if row.metric is not None else "—"
        limit = f"{'>' if row.is_upper else '<'} {row.limit:g}" if row.metric is not None else "—"
        what = "latches" if row.latching else "—"
        kind = f"{row.kind}, {row.priority.name.lower()}"
        named = (number.value, f"`{number.name}`", row.words, kind, what, metric, limit)
        found.append((*named, f"{row.delay_s:g}"))
    heads = ("number", "name", "words", "kind, priority", "after it ended", "metric", "limit")
    return table((*heads, "delay, s"), found)


def transitions() -> str:
    """List what becomes of an alert."""
    found = []
    for (old, edge), (other, latching) in alert.TABLE.items():
        named = (old.name.title(), edge.name.lower(), other.name.title(), latching.name.title())
        found.append(named)
    return table(("presence", "what happens", "then", "then, if it latches"), found)


def verdicts() -> str:
    """Name what may become of a command at the robot, in the order of the numbers."""
    return ", ".join(f"`{verdict.name}`" for verdict in Verdict)


def worked(name: str) -> str:
    """Show an encoded message byte by byte."""
    shown = annotate(story.SHOWN[name](), BY_NAME[name])
    return f"```\n{shown}\n```"


def datagram() -> str:
    """Show a sealed datagram."""
    first, *_ = vectors.build()["datagrams"]
    data = bytes.fromhex(first["hex"])
    lines = [
        f"key of the connection    {first['key']}",
        f"key to_relay (HKDF)      {first['direction_key']}",
        f"frame (a `Clock` ping)   {plain(bytes.fromhex(first['plaintext']))}",
        f"nonce                    {plain(bytes.fromhex(first['nonce']))}",
        "",
        f"connection               {plain(data[:4])}",
        f"counter                  {plain(data[4:12])}",
        f"ciphertext               {plain(data[12:-16])}",
        f"AES-GCM tag              {plain(data[-16:])}",
    ]
    return "```\n" + "\n".join(lines) + "\n```"


def table(heads: Iterable[str], body: Iterable[Iterable[object]]) -> str:
    """Lay out a Markdown table."""
    lines = ["| " + " | ".join(heads) + " |"]
    lines.append(re.sub(r"[^|]+", "---", lines[0]))
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in body]
    return "\n".join(lines)


_ENUMS: dict[str, type[IntEnum]] = {
    "State": state.State,
    "Role": grant.Role,
    "Phase": seat.Phase,
    "Profile": profile.Profile,
    "Flags": messages.Flags,  # type: ignore[dict-item]  # IntFlag: the same to a reader
    "Driver": messages.Driver,  # type: ignore[dict-item]
    "Direction": Direction,
    "Signal": monitor.Signal,
    "Metric": monitor.Metric,
    "Reason": monitor.Reason,
    "Kind": events.Kind,
    "Label": events.Label,
    "Presence": alert.Presence,
    "Priority": condition.Priority,
}
#: What a mark of the template may ask for.
TABLES: dict[str, Callable[..., str]] = {
    made.__name__: made
    for made in (
        kinds,
        fields,
        enum,
        causes,
        rules,
        refusals,
        ladders,
        raises,
        doors,
        rates,
        verdicts,
        conditions,
        transitions,
        worked,
        datagram,
    )
}

assert set(FLOW) == {message.__name__ for message in MESSAGES}, "a message without a way"
