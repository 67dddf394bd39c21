/**
 * What a show has aired so far, read over HTTP in a few large pieces: a socket takes it a message at a time. Imports
 * nothing and runs before the other modules, so that the first piece is on its way while they still load.
 */

const TIMEOUT_MS = 5000;

export const show = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");

const first = read(0);

/**
 * The pieces in order, each `{events, head, epoch}`, up to what was the head when the first one came. Ends early where
 * the stage does not answer: what is missing then comes over the socket.
 */
export async function* past() {
  const start = await first;
  if (start === null || start.events.length === 0) return;
  yield start;
  // The pieces are as long as the stage makes them: the first one shows how long that is.
  const length = start.events.length;
  const rest = [];
  for (let after = start.events.at(-1).seq; after < start.head; after += length) rest.push({ after, piece: read(after) });
  for (const { after, piece } of rest) {
    const more = await piece;
    if (more === null || more.epoch !== start.epoch || more.events[0]?.seq !== after + 1) return;
    yield more;
  }
}

async function read(after) {
  try {
    const response = await fetch(`/api/shows/${encodeURIComponent(show)}/events?types=*&after=${after}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}
