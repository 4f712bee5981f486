/** Files of runs, logged models and model versions. */
import { queryOptions } from "@tanstack/react-query";
import { mlflow, queryString, ROOT, ServerError } from "./client";
import type { FileInfo, LoggedModel, RunId } from "./types";

/** Where files are read from. */
export type Place = { kind: "run"; id: RunId } | { kind: "model"; id: string };

/** Folders first, then by name, numbers in it as numbers. */
export const inOrder = (files: readonly FileInfo[]): FileInfo[] =>
  [...files].sort(
    (a, b) =>
      Number(b.is_dir ?? false) - Number(a.is_dir ?? false) || a.path.localeCompare(b.path, "en", { numeric: true }),
  );

export const listing = (place: Place, path: string) =>
  queryOptions({
    queryKey: ["artifacts", place, path],
    queryFn: async ({ signal }): Promise<FileInfo[]> => {
      const answer =
        place.kind === "run"
          ? await mlflow.get<{ files?: FileInfo[] }>(
              "artifacts/list",
              { run_id: place.id, path: path || undefined },
              signal,
            )
          : await mlflow.get<{ files?: FileInfo[] }>(
              `logged-models/${encodeURIComponent(place.id)}/artifacts/directories`,
              { artifact_directory_path: path || undefined },
              signal,
            );
      return inOrder(answer.files ?? []);
    },
  });

/** The address of a file; it is answered as an attachment. */
export function fileUrl(place: Place, path: string): string {
  return place.kind === "run"
    ? `${ROOT}/get-artifact${queryString({ run_id: place.id, path })}`
    : `${ROOT}/ajax-api/2.0/mlflow/logged-models/${encodeURIComponent(place.id)}/artifacts/files${queryString({
        artifact_file_path: path,
      })}`;
}

const idOf = (place: Place) => (place.kind === "run" ? { run_id: place.id } : { model_id: place.id });

/** The address of a folder as one zip file. */
export const zipUrl = (place: Place, path: string): string =>
  `${ROOT}/api/2.0/millstream/artifacts/zip${queryString({ ...idOf(place), path: path || undefined })}`;

/** The address of an HTML file that may run its own scripts, in a sandbox without origin and connections. */
export const pageUrl = (place: Place, path: string): string =>
  `${ROOT}/api/2.0/millstream/artifacts/page${queryString({ ...idOf(place), path })}`;

export const MAX_PREVIEW = 4 << 20;

/** The address of a file of a model version. */
export const versionFileUrl = (name: string, version: string, path: string): string =>
  `${ROOT}/model-versions/get-artifact${queryString({ name, version, path })}`;

/** The bytes at the address of a file, at most `limit` of them. */
export const bytesAt = (url: string, limit = MAX_PREVIEW) =>
  queryOptions({
    queryKey: ["file", url, limit],
    queryFn: async ({ signal }): Promise<ArrayBuffer> => {
      const answer = await fetch(url, { headers: { Range: `bytes=0-${limit - 1}` }, signal });
      if (answer.status === 416) return new ArrayBuffer(0);
      if (!answer.ok)
        throw new ServerError(answer.status, "FILE", `The file could not be read (status ${answer.status}).`);
      return answer.arrayBuffer();
    },
    staleTime: 60_000,
  });

export const content = (place: Place, path: string, limit = MAX_PREVIEW) => bytesAt(fileUrl(place, path), limit);

export const loggedModel = (id: string) =>
  queryOptions({
    queryKey: ["logged-model", id],
    queryFn: async ({ signal }) =>
      (await mlflow.get<{ model: LoggedModel }>(`logged-models/${encodeURIComponent(id)}`, {}, signal)).model,
  });
