/** Removing for good what is in the trash. */
import { queryClient } from "./cache";
import { millstream } from "./client";
import type { ExperimentId, Purged, RunId } from "./types";

const MOST = 1000;

export interface Doomed {
  runs: readonly RunId[];
  experiments: readonly ExperimentId[];
}

/** Remove deleted runs and experiments with their files; gives what could not be removed, a sentence each. */
export async function purge({ runs, experiments }: Doomed): Promise<string[]> {
  const stays: string[] = [];
  try {
    for (const body of requests(runs, experiments)) {
      const { kept = [], left_behind = [] } = await millstream.post<Purged>("trash/purge", body);
      stays.push(...kept, ...left_behind.map((location) => `The files at ${location} could not be deleted.`));
    }
  } finally {
    await Promise.all(["experiments", "runs", "run"].map((key) => queryClient.invalidateQueries({ queryKey: [key] })));
  }
  return stays;
}

/** Bodies of as many ids as the server takes at once. */
function requests(runs: readonly RunId[], experiments: readonly ExperimentId[]) {
  const bodies: { run_ids?: readonly RunId[]; experiment_ids?: readonly ExperimentId[] }[] = [];
  for (let at = 0; at < runs.length; at += MOST) bodies.push({ run_ids: runs.slice(at, at + MOST) });
  for (let at = 0; at < experiments.length; at += MOST)
    bodies.push({ experiment_ids: experiments.slice(at, at + MOST) });
  return bodies;
}
