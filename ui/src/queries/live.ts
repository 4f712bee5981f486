/** What changes on the server, as it happens: the ids that were written make the queries that show them stale. */
import { useSyncExternalStore } from "react";
import { queryClient } from "./cache";
import { ROOT } from "./client";
import type { LinesRequest } from "./metrics";
import { refreshRuns } from "./runs";

export type LiveState = "connecting" | "live" | "lost";

let state: LiveState = "connecting";
const listeners = new Set<() => void>();
let source: EventSource | undefined;
let isWaiting = false;
let touched = new Set<string>();
let isAny = false;

const AREAS = ["experiments", "models", "model", "versions", "history", "children"];
const PAUSE_MS = 1500;

function become(next: LiveState): void {
  if (state === next) return;
  state = next;
  for (const listener of listeners) listener();
}

/** Bring up to date what shows something that was touched. What is not on a page is only made stale. */
async function refresh(): Promise<void> {
  const ids = touched;
  const any = isAny;
  touched = new Set();
  isAny = false;
  const shows = (key: readonly unknown[]): boolean => {
    if (AREAS.includes(String(key[0]))) return true;
    if (key[0] === "run" || key[0] === "summaries") return any || ids.has(String(key[1]));
    return key[0] === "lines" && (any || (key[1] as LinesRequest).runs.some((id) => ids.has(id)));
  };
  await Promise.all([
    refreshRuns(any ? null : ids),
    queryClient.invalidateQueries({ predicate: ({ queryKey }) => shows(queryKey), refetchType: "active" }),
  ]).catch(() => undefined); // the pages show what failed
  isWaiting = false;
  if (touched.size > 0 || isAny) refreshSoon();
}

/** One refresh at a time, with a pause before each: a busy server is asked more slowly by itself. */
function refreshSoon(): void {
  if (isWaiting) return;
  isWaiting = true;
  setTimeout(() => void refresh(), PAUSE_MS);
}

export function connect(): void {
  if (source) return;
  source = new EventSource(`${ROOT}/api/2.0/millstream/live`);
  source.onopen = () => {
    if (state === "lost") {
      isAny = true; // what was written meanwhile was not heard of
      refreshSoon();
    }
    become("live");
  };
  source.onmessage = (event: MessageEvent<string>) => {
    const { changed } = JSON.parse(event.data) as { changed: string[] | null };
    if (changed === null) isAny = true;
    else for (const id of changed) touched.add(id);
    refreshSoon();
  };
  source.onerror = () => become("lost"); // the browser connects again by itself
}

export function useLive(): LiveState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      connect();
      return () => listeners.delete(listener);
    },
    () => state,
  );
}
