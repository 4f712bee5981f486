/** What is kept in this browser alone: theme, time zone, what was opened last. */

const ZONE = "millstream.timeZone";

/** The zone that times are written in; undefined is the browser's own. */
export function timeZone(): string | undefined {
  return localStorage.getItem(ZONE) ?? undefined;
}

export function setTimeZone(zone: string): void {
  if (zone) localStorage.setItem(ZONE, zone);
  else localStorage.removeItem(ZONE);
}
