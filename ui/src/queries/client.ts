/** The one place that talks to the server: JSON in, JSON out, and errors that say what failed. */

/** Under which path the server is reached, such as "" or "/tracking"; the server writes it into the page. */
export const ROOT = document.querySelector<HTMLMetaElement>("meta[name=millstream-root]")?.content ?? "";

/** Code that records a first run here. */
export const firstRun = (experiment: string): string =>
  [
    "import millstream",
    "",
    `millstream.set_tracking_uri("${location.origin}${ROOT}")`,
    `millstream.set_experiment(${JSON.stringify(experiment)})`,
    "with millstream.start_run():",
    '    millstream.log_param("lr", 0.01)',
    "    for step in range(100):",
    '        millstream.log_metric("loss", 1 / (step + 1), step=step)',
  ].join("\n");

const MLFLOW = `${ROOT}/api/2.0/mlflow/`;
const MILLSTREAM = `${ROOT}/api/2.0/millstream/`;

/** An answer that is no success. `code` is the wire's error code, `status` the HTTP status (0: no answer came). */
export class ServerError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "ServerError";
  }
}

export type Query = Record<string, string | number | boolean | readonly string[] | undefined>;

export function queryString(query: Query): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const item of Array.isArray(value) ? value : [value]) pairs.append(name, String(item));
  }
  const text = pairs.toString();
  return text ? `?${text}` : "";
}

async function call<T>(url: string, init: RequestInit): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(url, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ServerError(0, "UNREACHABLE", "The server does not answer. What is shown stays; it is asked again.");
  }
  const text = await answer.text();
  const body: unknown = text ? JSON.parse(text) : {};
  if (!answer.ok) {
    const { error_code, message } = body as { error_code?: string; message?: string };
    throw new ServerError(answer.status, error_code ?? "UNKNOWN", message ?? `The server answered ${answer.status}.`);
  }
  return body as T;
}

function send(verb: string, url: string, body: unknown): [string, RequestInit] {
  return [url, { method: verb, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }];
}

/** Calls below MLflow's prefix. */
export const mlflow = {
  get: <T>(path: string, query: Query = {}, signal?: AbortSignal) =>
    call<T>(MLFLOW + path + queryString(query), { signal: signal ?? null }),
  post: <T>(path: string, body: unknown, signal?: AbortSignal) => {
    const [url, init] = send("POST", MLFLOW + path, body);
    return call<T>(url, { ...init, signal: signal ?? null });
  },
  patch: <T>(path: string, body: unknown) => call<T>(...send("PATCH", MLFLOW + path, body)),
  delete: <T>(path: string, body: unknown) => call<T>(...send("DELETE", MLFLOW + path, body)),
};

/** Calls below Millstream's own prefix. */
export const millstream = {
  get: <T>(path: string, query: Query = {}, signal?: AbortSignal) =>
    call<T>(MILLSTREAM + path + queryString(query), { signal: signal ?? null }),
  post: <T>(path: string, body: unknown, signal?: AbortSignal) => {
    const [url, init] = send("POST", MILLSTREAM + path, body);
    return call<T>(url, { ...init, signal: signal ?? null });
  },
  delete: <T>(path: string, body: unknown) => call<T>(...send("DELETE", MILLSTREAM + path, body)),
};
