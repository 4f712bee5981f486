/** An MLmodel file as a card: flavors, signature, input example, and the lines that load and serve it. */
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { parse } from "yaml";
import { Code, KeyValues } from "@/components/parts";
import { formatBytes } from "@/core/format";
import { bytesAt } from "@/queries/artifacts";
import styles from "./Artifacts.module.css";
import { Json } from "./Texts";

interface Spec {
  name?: string;
  type?: unknown;
  required?: boolean;
  "tensor-spec"?: { dtype: string; shape: number[] };
  default?: unknown;
}

interface MlModel {
  flavors?: Record<string, Record<string, unknown>>;
  signature?: { inputs?: string | null; outputs?: string | null; params?: string | null };
  utc_time_created?: string;
  mlflow_version?: string;
  model_size_bytes?: number;
  saved_input_example_info?: { artifact_path?: unknown };
}

/** More of an input example is not shown. */
const MAX_EXAMPLE = 1 << 20;

/**
 * @param uri what a client calls the model.
 * @param urlOf the address of a file in the model's folder.
 */
export function ModelCard({ text, uri, urlOf }: { text: string; uri: string; urlOf: (file: string) => string }) {
  const model = useMemo(() => {
    try {
      return parse(text, { schema: "core", maxAliasCount: 20 }) as MlModel;
    } catch {
      return null;
    }
  }, [text]);
  if (!model || typeof model !== "object") return null;
  const flavors = Object.keys(model.flavors ?? {});
  const native = flavors.find((name) => name !== "python_function");
  const made = model.utc_time_created ? `${String(model.utc_time_created).replace(/\.\d+$/, "")} UTC` : "";
  const example = model.saved_input_example_info?.artifact_path;
  return (
    <section className={`card ${styles.card}`} aria-label="Model">
      <h2>Model</h2>
      <KeyValues
        rows={[
          ["Flavors", flavors.join(", ") || "none"],
          ...(made ? [["Made", made] as [string, string]] : []),
          ...(model.model_size_bytes === undefined
            ? []
            : [["Size", formatBytes(model.model_size_bytes)] as [string, string]]),
        ]}
      />
      <Signature model={model} />
      {typeof example === "string" && <Example url={urlOf(example)} />}
      <Code>
        {[
          "import millstream",
          `model = millstream.pyfunc.load_model("${uri}")`,
          "model.predict(inputs)",
          ...(native ? [`# as its library has it: millstream.${native}.load_model("${uri}")`] : []),
        ].join("\n")}
      </Code>
      <Code>{`millstream models serve -m "${uri}" --port 5001`}</Code>
    </section>
  );
}

/** The input that was saved with the model; nothing if it is no longer there. */
function Example({ url }: { url: string }) {
  const { data } = useQuery({ ...bytesAt(url, MAX_EXAMPLE), retry: false });
  if (!data) return null;
  const text = new TextDecoder("utf-8", { fatal: false }).decode(data);
  return (
    <section className={styles.example} aria-label="Input example">
      <h2>Input example</h2>
      <Json text={text} isWhole={data.byteLength < MAX_EXAMPLE} />
    </section>
  );
}

function Signature({ model }: { model: MlModel }) {
  const { signature } = model;
  if (!signature) return <p className="muted">The model has no signature.</p>;
  return (
    <>
      {(["inputs", "outputs", "params"] as const).map((part) => {
        const specs = specsOf(signature[part]);
        if (specs.length === 0) return null;
        return (
          <div key={part}>
            <h2>{part === "inputs" ? "Takes" : part === "outputs" ? "Gives" : "Params"}</h2>
            <KeyValues
              rows={specs.map((spec, at) => [spec.name ?? (specs.length > 1 ? String(at) : "value"), typeOf(spec)])}
              filter
            />
          </div>
        );
      })}
    </>
  );
}

function specsOf(text: string | null | undefined): Spec[] {
  try {
    const found: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(found) ? (found as Spec[]) : [];
  } catch {
    return [];
  }
}

function typeOf(spec: Spec): string {
  const tensor = spec["tensor-spec"];
  if (tensor) return `${tensor.dtype} [${tensor.shape.join(", ")}]`;
  const type = typeof spec.type === "string" ? spec.type : JSON.stringify(spec.type);
  return `${type}${spec.required === false ? ", optional" : ""}${spec.default === undefined ? "" : `, default ${JSON.stringify(spec.default)}`}`;
}
