/** The speakers: who stands where, and what each is doing. */

import { element, mark, portrait, reconcile, say } from "/static/elements.js";

const DOING = { speaking: "Speaking", thinking: "Thinking", reconnecting: "Reconnecting", closed: "Has left", listening: "" };
const STANCES = ["for", "neutral", "against"];

/** What an agent does now: speaking, thinking, reconnecting, closed or listening. */
export function doingOf(state, agent) {
  if (agent.state === "reconnecting") return "reconnecting";
  if (state.ended) return "listening";
  if (state.current?.speaker === agent.id) return "speaking";
  if (state.thinking?.speaker === agent.id) return "thinking";
  return agent.state === "closed" ? "closed" : "listening";
}

/** Whether the debate has two camps; a round table has none. */
export function isSided(state) {
  return [...state.agents.values()].some(({ stance }) => stance !== "neutral");
}

export function sideTitle(agent) {
  if (agent.moderator) return "Moderator";
  if (agent.side_title) return String(agent.side_title);
  return agent.side ? agent.side[0].toUpperCase() + agent.side.slice(1) : "";
}

/** Draws the speakers by stance into `#cast`. */
export function showCast(root, state) {
  const sided = isSided(state);
  root.classList.toggle("unsided", !sided);
  for (const stance of STANCES) {
    const team = root.querySelector(`[data-stance="${stance}"]`);
    const agents = [...state.agents.values()].filter((agent) => agent.stance === stance);
    team.hidden = agents.length === 0;
    const titles = [...new Set(agents.map(sideTitle).filter(Boolean))];
    const label = team.querySelector(".team-name");
    say(label, titles.join(" · ") || (sided ? { for: "For", against: "Against", neutral: "" }[stance] : ""));
    label.hidden = label.textContent === "";
    reconcile(team.querySelector("ul"), agents, {
      key: (agent) => agent.id,
      make: () =>
        element(
          "li",
          { class: "speaker" },
          element("span", { class: "speaker-words" }, element("span", { class: "speaker-name", dir: "auto" }), element("span", { class: "speaker-doing" })),
        ),
      update: (item, agent) => showSpeaker(item, agent, doingOf(state, agent), titles.length > 1),
    });
  }
}

function showSpeaker(item, agent, doing, severalSides) {
  const look = `${agent.emoji}|${agent.color}|${agent.name}`;
  if (item.dataset.look !== look) {
    item.dataset.look = look;
    item.querySelector(".portrait")?.remove();
    item.prepend(portrait(agent));
    item.style.setProperty("--persona", agent.color);
  }
  const name = item.querySelector(".speaker-name");
  say(name, agent.name);
  const quiet = severalSides || agent.moderator ? sideTitle(agent) : agent.role || agent.style || sideTitle(agent);
  const text = DOING[doing] || String(quiet);
  const line = item.querySelector(".speaker-doing");
  if (item.dataset.doing === doing && line.dataset.text === text) return;
  mark(item, "data-doing", doing);
  line.dataset.text = text;
  line.replaceChildren(element("span", {}, text));
  if (doing === "speaking") line.prepend(bars("wave"));
  if (doing === "thinking") line.append(bars("ellipsis"));
}

export function bars(kind) {
  return element("span", { class: kind, "aria-hidden": "true" }, element("i"), element("i"), element("i"));
}
