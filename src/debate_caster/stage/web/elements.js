/** Making and changing elements without ever parsing text as markup. */

/** Make an element: `element("p", { class: "name", lang: "fr", onclick: … }, "text", child)`; null children are left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Set an element's text; does nothing where it is the same, so that readers and selections are left in peace. */
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Set or remove an attribute (null removes); does nothing where it is the same. */
export function mark(target, name, value) {
  if (value === null || value === false) {
    if (target.hasAttribute(name)) target.removeAttribute(name);
  } else if (target.getAttribute(name) !== String(value)) {
    target.setAttribute(name, String(value));
  }
}

/**
 * Make a parent's children those of `items`, in order, moving and keeping what is there.
 *
 * @param {Element} parent
 * @param {Iterable} items
 * @param {{key: (item) => string, make: (item) => Element, update?: (child: Element, item) => void}} how
 */
export function reconcile(parent, items, { key, make, update }) {
  const there = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let child = there.get(name);
    if (child) there.delete(name);
    else {
      child = make(item);
      child.dataset.key = name;
    }
    update?.(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const child of there.values()) child.remove();
}

/** An agent's round picture: its emoji, or its initial where it has none, in its colour. */
export function portrait(agent) {
  const initial = [...(agent.name || "?").trim()][0]?.toLocaleUpperCase() ?? "?";
  const made = element("span", { class: "portrait", "aria-hidden": "true" }, agent.emoji || initial);
  made.style.setProperty("--persona", agent.color);
  return made;
}
