/** Who is in a show, and where each stands. */

const COLOR = /^#[0-9a-f]{6}$/i;
/** For agents that bring no usable colour: told apart by people with any colour vision, legible on dark and light. */
const PALETTE = ["#4c8dff", "#e8833a", "#2fa58a", "#b877e0", "#d6a419", "#e0607e", "#5aa9c9", "#8b9a46"];
/** Side names of third-party agents, which do not say what their side stands for. */
const USUAL_SIDES = {
  for: ["for", "pro", "proposition", "government", "affirmative", "yes"],
  against: ["against", "con", "contra", "opposition", "negative", "no"],
};

/** The agents by their ids, in the order in which they were heard of. */
export class Roll extends Map {
  /** An agent as its show lists it: the room that opened before under the name may have registered another id. */
  list(agent) {
    const guest = [...this.values()].find(({ id, name, guest }) => guest && id !== agent.id && name === agent.name);
    if (guest) this.delete(guest.id);
    this.meet(agent, { room: agent.room ?? guest?.room, state: agent.state ?? guest?.state, guest: false });
  }

  /** Take what is said of an agent, and return all that is known of it; what is empty says nothing. */
  meet(agent, more = {}) {
    const id = String(agent.id ?? "");
    const known = this.get(id);
    const merged = { ...known };
    for (const [key, value] of Object.entries({ ...agent, ...more })) {
      if (value !== null && value !== undefined && value !== "") merged[key] = value;
    }
    merged.id = id;
    merged.name = String(merged.name ?? id);
    merged.emoji = String(merged.emoji ?? "");
    merged.side = merged.side ? String(merged.side) : "";
    merged.color = COLOR.test(merged.color ?? "") ? merged.color : PALETTE[(known?.place ?? this.size) % PALETTE.length];
    merged.place = known?.place ?? this.size;
    merged.stance = stanceOf(merged);
    this.set(id, merged);
    return merged;
  }

  /** A `room_…` event: the agent of that room is now `live`, `reconnecting` or `closed`. */
  roomBecomes(event, state) {
    const id = typeof event.agent === "object" ? event.agent?.id : event.agent;
    const agent = this.get(id) ?? [...this.values()].find(({ room }) => room === event.room);
    if (agent) agent.state = state;
  }
}

function stanceOf(agent) {
  if (agent.moderator) return "neutral";
  if (agent.stance === "for" || agent.stance === "against") return agent.stance;
  const side = agent.side.toLowerCase();
  return Object.keys(USUAL_SIDES).find((stance) => USUAL_SIDES[stance].includes(side)) ?? "neutral";
}
