/** Who may watch on a stage with tickets: a ticket in the page's address, and the session that it has become. */

import { recall, remember } from "/static/storage.js";

/** What to show such a stage. The address forgets its ticket at once: who is sent it later should not find it used. */
export function admissionTo(show) {
  const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");
  if (ticket !== null) history.replaceState(null, "", location.pathname + location.search);
  return { ticket: ticket?.trim() ?? "", session: recall(keyOf(show)) ?? "" };
}

/** Keep the session that a stage gives, for the next visit of this browser. */
export function keepAdmission(stream, show) {
  stream.on("admitted", ({ session }) => remember(keyOf(show), String(session ?? "")));
}

function keyOf(show) {
  return `session.${show}`;
}
