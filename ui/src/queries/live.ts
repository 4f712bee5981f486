/** What changes on the server, as it happens: the ids that were written make the queries that show them stale. */
import { useSyncExternalStore } from "react";
import { isStale, mayBringNames } from "@/core/liveScope";
import { queryClient } from "./cache";
import { ROOT } from "./client";
import { refreshRuns } from "./runs";

export type LiveState = "connecting" | "live" | "lost";

let state: LiveState = "connecting";
const listeners = new Set<() => void>();
let source: EventSource | undefined;
let isWaiting = false;
let touched = new Set<string>();
let isAny = false;

const PAUSE_MS = 1500;
/** The names of metrics, params and tags seldom change: between two requests for them is this time, or more if the answer takes its time. */
const NAMES_PAUSE_MS = 5000;
const NAMES_SHARE = 20;
let namesDueAt = 0;
let isNamesWaiting = false;

function become(next: LiveState): void {
  if (state === next) return;
  state = next;
  for (const listener of listeners) listener();
}

/** Bring up to date what shows something that was touched. What is not on a page is only made stale. */
async function refresh(): Promise<void> {
  const ids = isAny ? null : touched;
  touched = new Set();
  isAny = false;
  if (mayBringNames(ids)) refreshNames();
  await Promise.all([
    refreshRuns(ids),
    queryClient.invalidateQueries({ predicate: ({ queryKey }) => isStale(queryKey, ids), refetchType: "active" }),
  ]).catch(() => undefined); // the pages show what failed
  isWaiting = false;
  if (touched.size > 0 || isAny) refreshSoon();
}

/** Ask for the names that runs have, now or as soon as the pause is over. An answer with the same names draws nothing again. */
function refreshNames(): void {
  if (isNamesWaiting) return;
  isNamesWaiting = true;
  setTimeout(
    () => {
      isNamesWaiting = false;
      const start = Date.now();
      namesDueAt = start + NAMES_PAUSE_MS;
      void queryClient.invalidateQueries({ queryKey: ["keys"], refetchType: "active" }).then(() => {
        namesDueAt = start + Math.max(NAMES_PAUSE_MS, NAMES_SHARE * (Date.now() - start));
      });
    },
    Math.max(0, namesDueAt - Date.now()),
  );
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
