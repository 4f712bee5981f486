/** Registered models, their versions and the history of both. */
import { queryOptions } from "@tanstack/react-query";
import { queryClient } from "./cache";
import { millstream, mlflow } from "./client";
import type { ModelVersion, RegisteredModel, RegistryChange } from "./types";

export const models = (filter = "") =>
  queryOptions({
    queryKey: ["models", filter],
    queryFn: async ({ signal }) => {
      const answer = await mlflow.get<{ registered_models?: RegisteredModel[] }>(
        "registered-models/search",
        { max_results: 1000, filter: filter || undefined, order_by: ["last_updated_timestamp DESC"] },
        signal,
      );
      return answer.registered_models ?? [];
    },
    refetchInterval: 15_000,
  });

export const model = (name: string) =>
  queryOptions({
    queryKey: ["model", name],
    queryFn: async ({ signal }) =>
      (await mlflow.get<{ registered_model: RegisteredModel }>("registered-models/get", { name }, signal))
        .registered_model,
  });

export const versions = (name: string) =>
  queryOptions({
    queryKey: ["versions", name],
    queryFn: async ({ signal }) => {
      const filter = `name = '${name.replaceAll("'", "\\'")}'`;
      const answer = await mlflow.get<{ model_versions?: ModelVersion[] }>(
        "model-versions/search",
        { filter, max_results: 1000, order_by: ["version_number DESC"] },
        signal,
      );
      return answer.model_versions ?? [];
    },
  });

export const version = (name: string, number: string) =>
  queryOptions({
    queryKey: ["version", name, number],
    queryFn: async ({ signal }) =>
      (await mlflow.get<{ model_version: ModelVersion }>("model-versions/get", { name, version: number }, signal))
        .model_version,
  });

export const versionsOfRun = (runId: string) =>
  queryOptions({
    queryKey: ["versions-of-run", runId],
    queryFn: async ({ signal }) =>
      (
        await mlflow.get<{ model_versions?: ModelVersion[] }>(
          "model-versions/search",
          { filter: `run_id = '${runId}'`, max_results: 100 },
          signal,
        )
      ).model_versions ?? [],
  });

export const history = (name: string, number?: string) =>
  queryOptions({
    queryKey: ["history", name, number ?? ""],
    queryFn: async ({ signal }) =>
      (
        await millstream.get<{ changes?: RegistryChange[] }>(
          "registry/history",
          { name, version: number, max_results: 200 },
          signal,
        )
      ).changes ?? [],
  });

const changed = () =>
  Promise.all(
    ["models", "model", "versions", "version", "history"].map((key) =>
      queryClient.invalidateQueries({ queryKey: [key] }),
    ),
  );

export type Stage = "None" | "Staging" | "Production" | "Archived";
export const STAGES: readonly Stage[] = ["None", "Staging", "Production", "Archived"];

export async function createModel(name: string): Promise<void> {
  await mlflow.post("registered-models/create", { name });
  await changed();
}

export async function moveToStage(
  name: string,
  number: string,
  stage: Stage,
  archiveOthers: boolean,
  comment: string,
): Promise<void> {
  await mlflow.post("model-versions/transition-stage", {
    name,
    version: number,
    stage,
    archive_existing_versions: archiveOthers && (stage === "Staging" || stage === "Production"),
    comment,
  });
  await changed();
}

export async function setAlias(name: string, alias: string, number: string, comment: string): Promise<void> {
  await mlflow.post("registered-models/alias", { name, alias, version: number, comment });
  await changed();
}

export async function deleteAlias(name: string, alias: string): Promise<void> {
  await mlflow.delete("registered-models/alias", { name, alias });
  await changed();
}

export async function describeModel(name: string, description: string): Promise<void> {
  await mlflow.patch("registered-models/update", { name, description });
  await changed();
}

export async function describeVersion(name: string, number: string, description: string): Promise<void> {
  await mlflow.patch("model-versions/update", { name, version: number, description });
  await changed();
}

export async function deleteVersion(name: string, number: string): Promise<void> {
  await mlflow.delete("model-versions/delete", { name, version: number });
  await changed();
}

/** Delete a model; `leave` takes the reader away from its page before anything is asked of it again. */
export async function deleteModel(name: string, leave: () => Promise<void>): Promise<void> {
  await mlflow.delete("registered-models/delete", { name });
  await leave();
  for (const key of ["model", "versions", "history"]) queryClient.removeQueries({ queryKey: [key, name] });
  await queryClient.invalidateQueries({ queryKey: ["models"] });
}
