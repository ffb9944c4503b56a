// One connection to one camera: its picture in a <video>, the words beside it, and whether both go on.

import { Ages } from "./age.js";
import { negotiate } from "./node.js";
import { ping, shown, unpack } from "./words.js";

const PING_MS = 500;
const SILENT_MS = 3000; // the node says something four times a second
const GATHER_MS = 1500;

export class Camera {
  ages = new Ages();
  standstill = 0; // what the node says stands still
  heard = performance.now();
  over = false;
  #asked = new Map();
  #token = 0n;

  /**
   * on_seen({frame, at, age}) for every picture shown and noted; on_shown(at) for every picture shown;
   * on_over(why) once.
   */
  constructor(number, video, { onSeen, onShown, onOver }) {
    this.number = number;
    this.video = video;
    this.onSeen = onSeen;
    this.onShown = onShown;
    this.onOver = onOver;
    this.connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.connection.onconnectionstatechange = () => {
      if (["failed", "closed"].includes(this.connection.connectionState)) this.end("the connection failed");
    };
    const { receiver } = this.connection.addTransceiver("video", { direction: "recvonly" });
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    this.connection.ontrack = ({ track }) => {
      video.srcObject = new MediaStream([track]);
      video.play().catch(() => {}); // a page in the background plays when it is looked at
      this.#look();
    };
    this.words = this.connection.createDataChannel("frames", { ordered: false, maxRetransmits: 0 });
    this.words.binaryType = "arraybuffer";
    this.words.onmessage = ({ data }) => this.#hear(unpack(data));
    this.words.onclose = () => this.end("the node ended the connection");
    this.ticking = setInterval(() => this.#tick(), PING_MS);
  }

  async connect() {
    await this.connection.setLocalDescription();
    await gathered(this.connection);
    const sdp = await negotiate(this.number, this.connection.localDescription.sdp);
    this.heard = performance.now();
    if (!this.over) await this.connection.setRemoteDescription({ type: "answer", sdp });
  }

  end(why) {
    if (this.over) return;
    this.over = true;
    clearInterval(this.ticking);
    this.words.onclose = null;
    this.connection.close();
    this.onOver(why);
  }

  /** What the browser counts of what arrived: {received, lost, width, height}, or null. */
  async counted() {
    if (this.over) return null;
    for (const row of (await this.connection.getStats()).values()) {
      if (row.type === "inbound-rtp" && row.kind === "video") {
        return { received: row.framesReceived ?? 0, lost: row.packetsLost ?? 0, width: row.frameWidth, height: row.frameHeight };
      }
    }
    return null;
  }

  #look() {
    this.video.requestVideoFrameCallback((now, meta) => {
      if (this.over) return;
      this.#look();
      this.onShown(now);
      this.#seen(this.ages.displayed(now, meta));
    });
  }

  #seen(seen) {
    if (seen === null) return;
    if (this.words.readyState === "open") this.words.send(shown(seen.frame, seen.age));
    this.onSeen(seen);
  }

  #hear(word) {
    if (word === null) return;
    const now = performance.now();
    this.heard = now;
    if (word.kind === "note") this.#seen(this.ages.noted(word, now));
    if (word.kind === "state") this.standstill = word.standstill;
    if (word.kind === "pong" && this.#asked.has(word.token)) {
      this.ages.answered(now - this.#asked.get(word.token));
      this.#asked.delete(word.token);
    }
  }

  #tick() {
    const now = performance.now();
    if (now - this.heard > SILENT_MS + (this.words.readyState === "open" ? 0 : 5000)) {
      this.end("nothing is heard of the node");
    } else if (this.words.readyState === "open") {
      this.#token += 1n;
      this.#asked.set(this.#token, now);
      if (this.#asked.size > 16) this.#asked.delete(this.#asked.keys().next().value);
      this.words.send(ping(this.#token));
    }
  }
}

/** Wait for the addresses of this machine: there is one offer, and no second word. */
function gathered(connection) {
  return new Promise((resolve) => {
    const look = () => connection.iceGatheringState === "complete" && resolve();
    connection.onicegatheringstatechange = look;
    setTimeout(resolve, GATHER_MS);
    look();
  });
}
