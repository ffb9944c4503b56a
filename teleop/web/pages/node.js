// What the node is asked over HTTP: a link's code for a visit, a ticket, an answer to an offer.

/** The node said no; `cause` is its word for why, `status` HTTP's. */
export class Refused extends Error {
  constructor(status, cause, words) {
    super(words);
    this.status = status;
    this.cause = cause;
  }
}

async function asked(path, body, signal) {
  const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, { ...(body && post), cache: "no-store", signal: signal ?? AbortSignal.timeout(12_000) });
  if (answer.status === 204) return null;
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said.cause ?? "unknown", said.words ?? answer.statusText);
  return said;
}

export const enter = (code) => asked("/api/enter", { code });

export const visit = () => asked("/api/visit");

export const report = (ages, freezes) => asked("/api/seen", { ages_us: ages, freezes });

/** Have an offer answered; the ticket for it names the certificate it bears. */
export async function negotiate(camera, sdp) {
  const fingerprint = /^a=fingerprint:(.*)$/m.exec(sdp)?.[1].trim() ?? "";
  const { ticket } = await asked("/api/ticket", { camera, fingerprint });
  return (await asked("/api/offer", { ticket, sdp })).sdp;
}
