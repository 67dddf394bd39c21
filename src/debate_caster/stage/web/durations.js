/** Times for people. All values are milliseconds. */

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** `4:07`, or `1:04:07` from an hour on. */
export function clockFace(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (parts[0] === 0) parts.shift();
  return parts.map((part, place) => (place === 0 ? String(part) : String(part).padStart(2, "0"))).join(":");
}

/** `12 minutes ago`. */
export function ago(then, now) {
  const seconds = Math.min(0, (then - now) / 1000);
  if (seconds > -45) return "just now";
  if (seconds > -3600) return RELATIVE.format(Math.round(seconds / 60), "minute");
  if (seconds > -86_400) return RELATIVE.format(Math.round(seconds / 3600), "hour");
  return RELATIVE.format(Math.round(seconds / 86_400), "day");
}

/** `in 5 minutes`; `any moment` when it is due. */
export function ahead(then, now) {
  const seconds = Math.max(0, (then - now) / 1000);
  if (seconds < 45) return "any moment";
  if (seconds < 3570) return RELATIVE.format(Math.round(seconds / 60), "minute");
  if (seconds < 84_600) return RELATIVE.format(Math.round(seconds / 3600), "hour");
  return RELATIVE.format(Math.round(seconds / 86_400), "day");
}

/** `Fri 27 Nov 2026, 20:00 CET`: in the viewer's own time zone, which it names. */
export function localDay(instant, { zone } = {}) {
  return `${new Intl.DateTimeFormat("en-GB", { weekday: "short", timeZone: zone }).format(instant)} ${localTime(instant, { zone })}`;
}

/** `20 Nov 2026, 20:00 CET`: in the viewer's own time zone, which it names. */
export function localTime(instant, { zone } = {}) {
  const parts = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hour12: false, timeZoneName: "short", timeZone: zone };
  return new Intl.DateTimeFormat("en-GB", parts).format(instant);
}

/** `42 s`, `12 min` or `1 h 5 min`. */
export function length(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(milliseconds / 60_000);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `20:04:12`: the time of day where the reader is. */
export function localClock(instant, { zone } = {}) {
  return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false, timeZone: zone }).format(instant);
}
