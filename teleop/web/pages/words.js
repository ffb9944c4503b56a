// What travels beside a picture on its connection's data channel: transport/io/webrtc/identity.py has
// the layout. A word of an unknown kind, or of another size, is none.

const NOTE = 1, SHOWN = 2, PING = 3, PONG = 4, STATE = 5;

/** The names of what stands still, by their numbers in transport/media/freshness.py. */
export const STANDSTILL = [
  "",
  "The camera delivers nothing",
  "The camera repeats one picture",
  "The encoder stands still",
  "Pictures do not leave the node",
  "", // a viewer's: this page knows better what it shows
];

/** Read a word: {kind, ...}, or null. Ages in ms. */
export function unpack(buffer) {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < 2) return null;
  const view = new DataView(buffer);
  const kind = view.getUint8(0), size = view.byteLength;
  if (kind === NOTE && size === 21) {
    return {
      kind: "note",
      timestamp: view.getUint32(1, true),
      frame: view.getBigUint64(5, true),
      age: Number(view.getBigUint64(13, true)) / 1e6,
    };
  }
  if (kind === PONG && size === 9) return { kind: "pong", token: view.getBigUint64(1, true) };
  if (kind === STATE && size === 2) return { kind: "state", standstill: view.getUint8(1) };
  return null;
}

export function ping(token) {
  const view = new DataView(new ArrayBuffer(9));
  view.setUint8(0, PING);
  view.setBigUint64(1, token, true);
  return view.buffer;
}

export function shown(frame, age) {
  const view = new DataView(new ArrayBuffer(17));
  view.setUint8(0, SHOWN);
  view.setBigUint64(1, frame, true);
  view.setBigUint64(9, BigInt(Math.max(0, Math.round(age * 1e6))), true);
  return view.buffer;
}
