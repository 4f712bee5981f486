/** Experiments: what is asked, and what changes them. */
import { queryOptions } from "@tanstack/react-query";
import { queryClient } from "./cache";
import { millstream, mlflow } from "./client";
import type { Experiment, ExperimentActivity, ExperimentId } from "./types";

export const overview = (view: "ACTIVE_ONLY" | "DELETED_ONLY" = "ACTIVE_ONLY") =>
  queryOptions({
    queryKey: ["experiments", view],
    queryFn: async ({ signal }) => {
      const answer = await millstream.get<{ experiments?: ExperimentActivity[] }>(
        "experiments/overview",
        { view_type: view },
        signal,
      );
      return answer.experiments ?? [];
    },
    refetchInterval: 15_000,
  });

export const experiment = (id: ExperimentId) =>
  queryOptions({
    queryKey: ["experiment", id],
    queryFn: async ({ signal }) =>
      (await mlflow.get<{ experiment: Experiment }>("experiments/get", { experiment_id: id }, signal)).experiment,
  });

export interface Keys {
  metrics: string[];
  params: string[];
  tags: string[];
}

export const keys = (ids: readonly ExperimentId[]) =>
  queryOptions({
    queryKey: ["keys", ...ids],
    queryFn: async ({ signal }): Promise<Keys> => {
      const answer = await millstream.post<Partial<Keys>>("experiments/keys", { experiment_ids: ids }, signal);
      return { metrics: answer.metrics ?? [], params: answer.params ?? [], tags: answer.tags ?? [] };
    },
    enabled: ids.length > 0,
    staleTime: 30_000,
  });

const changed = () =>
  Promise.all([
    queryClient.invalidateQueries({ queryKey: ["experiments"] }),
    queryClient.invalidateQueries({ queryKey: ["experiment"] }),
  ]);

export async function createExperiment(name: string): Promise<ExperimentId> {
  const { experiment_id } = await mlflow.post<{ experiment_id: ExperimentId }>("experiments/create", { name });
  await changed();
  return experiment_id;
}

export async function renameExperiment(id: ExperimentId, name: string): Promise<void> {
  await mlflow.post("experiments/update", { experiment_id: id, new_name: name });
  await changed();
}

export async function deleteExperiment(id: ExperimentId): Promise<void> {
  await mlflow.post("experiments/delete", { experiment_id: id });
  await changed();
}

export async function restoreExperiment(id: ExperimentId): Promise<void> {
  await mlflow.post("experiments/restore", { experiment_id: id });
  await changed();
}

export async function setExperimentTag(id: ExperimentId, key: string, value: string): Promise<void> {
  await mlflow.post("experiments/set-experiment-tag", { experiment_id: id, key, value });
  await changed();
}

export async function deleteExperimentTag(id: ExperimentId, key: string): Promise<void> {
  await mlflow.post("experiments/delete-experiment-tag", { experiment_id: id, key });
  await changed();
}
