/** What changes on the server, as it happens: the ids that were written make the queries that show them stale. */
import { useSyncExternalStore } from "react";
import { queryClient } from "./cache";
import { ROOT } from "./client";

export type LiveState = "connecting" | "live" | "lost";

let state: LiveState = "connecting";
const listeners = new Set<() => void>();
let source: EventSource | undefined;
let isWaiting = false;
let touched = new Set<string>();
let isAny = false;

const AREAS = ["runs", "windows", "summaries", "experiments", "models", "model", "versions", "history", "children"];
const PAUSE_MS = 1500;

function become(next: LiveState): void {
  if (state === next) return;
  state = next;
  for (const listener of listeners) listener();
}

/** Make stale what shows something that was touched; the pages in view ask again by themselves. */
function refresh(): void {
  isWaiting = false;
  const ids = touched;
  const any = isAny;
  touched = new Set();
  isAny = false;
  void queryClient.invalidateQueries({
    predicate: ({ queryKey }) =>
      AREAS.includes(String(queryKey[0])) || (queryKey[0] === "run" && (any || ids.has(String(queryKey[1])))),
    refetchType: "active",
  });
}

export function connect(): void {
  if (source) return;
  source = new EventSource(`${ROOT}/api/2.0/millstream/live`);
  source.onopen = () => become("live");
  source.onmessage = (event: MessageEvent<string>) => {
    const { changed } = JSON.parse(event.data) as { changed: string[] | null };
    if (changed === null) isAny = true;
    else for (const id of changed) touched.add(id);
    if (!isWaiting) setTimeout(refresh, PAUSE_MS);
    isWaiting = true;
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
