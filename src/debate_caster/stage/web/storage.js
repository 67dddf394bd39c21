/** What a viewer's browser remembers: who it is, and its hints. Works for one page where storage is refused. */

const PREFIX = "debate-caster.";
const fallback = new Map();

export function recall(key) {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return fallback.get(key) ?? null;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(PREFIX + key, value);
  } catch {
    fallback.set(key, value);
  }
}

/** A random id of this browser, the same on every visit. `randomUUID` is missing where the page is not on https or localhost. */
export function viewerId() {
  const known = recall("viewer");
  if (known && /^[0-9a-f]{32}$/.test(known)) return known;
  const made = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  remember("viewer", made);
  return made;
}
