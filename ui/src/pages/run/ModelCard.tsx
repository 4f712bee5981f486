/** An MLmodel file as a card: flavors, signature, and the lines that load and serve it. */
import { useMemo } from "react";
import { parse } from "yaml";
import { Code, KeyValues } from "@/components/parts";
import { formatBytes } from "@/core/format";
import type { Place } from "@/queries/artifacts";
import styles from "./Artifacts.module.css";

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
}

export function ModelCard({ text, place }: { text: string; place: Place }) {
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
  const uri = place.kind === "model" ? `models:/${place.id}` : `runs:/${place.id}/<folder of the model>`;
  return (
    <section className={`card ${styles.card}`} aria-label="Model">
      <h2>Model</h2>
      <KeyValues
        rows={[
          ["Flavors", flavors.join(", ") || "none"],
          ["Made", `${String(model.utc_time_created ?? "–").replace(/\.\d+$/, "")} UTC`],
          ["Size", formatBytes(model.model_size_bytes)],
        ]}
      />
      <Signature model={model} />
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
