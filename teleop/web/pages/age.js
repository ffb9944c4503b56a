// How old each picture was when it was shown, without a common clock: its age when it was sent, half of
// the quickest answer to a question, and what passed here between its last packet and its display.

const KEPT = 256; // notes whose picture has not come, pictures whose note has not
const ASKED = 20; // questions whose quickest answer tells the way

export class Ages {
  #notes = new Map();
  #waiting = new Map();
  #roundTrips = [];

  /** Take the answer to a question, ms after it. */
  answered(ms) {
    this.#roundTrips.push(ms);
    if (this.#roundTrips.length > ASKED) this.#roundTrips.shift();
  }

  /** One way between the camera's node and here, ms; 0 before the first answer. */
  get way() {
    return this.#roundTrips.length ? Math.min(...this.#roundTrips) / 2 : 0;
  }

  /** Take a note; return the picture it belongs to when that was shown already. */
  noted(note, now) {
    const picture = this.#waiting.get(note.timestamp);
    if (picture) {
      this.#waiting.delete(note.timestamp);
      return this.#seen(note, picture);
    }
    keep(this.#notes, note.timestamp, { ...note, came: now });
    return null;
  }

  /**
   * Take a picture that is shown; return {frame, age} when its note is there.
   * meta is a VideoFrameCallbackMetadata. The later of callback and expected display counts: an
   * age that flatters is worse than none.
   */
  displayed(now, meta) {
    const at = Math.max(now, meta.expectedDisplayTime ?? 0);
    const picture = { at, received: meta.receiveTime };
    const note = this.#notes.get(meta.rtpTimestamp);
    if (note) {
      this.#notes.delete(meta.rtpTimestamp);
      return this.#seen(note, picture);
    }
    if (meta.rtpTimestamp !== undefined) keep(this.#waiting, meta.rtpTimestamp, picture);
    return null;
  }

  #seen(note, picture) {
    const here = picture.at - (picture.received ?? note.came ?? picture.at);
    return { frame: note.frame, at: picture.at, age: note.age + this.way + Math.max(0, here) };
  }
}

function keep(map, key, value) {
  map.set(key, value);
  if (map.size > KEPT) map.delete(map.keys().next().value);
}
