/** What is set in this browser, and what the server says of itself. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Field } from "@/components/Dialog";
import { Code, KeyValues, Trail } from "@/components/parts";
import { formatTime } from "@/core/format";
import { setTimeZone, timeZone } from "@/core/preferences";
import { applyTheme, chosenTheme, type Theme } from "@/core/theme";
import { millstream, ROOT } from "@/queries/client";

const ZONES = typeof Intl.supportedValuesOf === "function" ? Intl.supportedValuesOf("timeZone") : [];

export default function SettingsPage() {
  const [theme, setTheme] = useState<Theme>(chosenTheme);
  const [zone, setZone] = useState(timeZone() ?? "");
  const { data } = useQuery({
    queryKey: ["version"],
    queryFn: ({ signal }) => millstream.get<Record<string, unknown>>("version", {}, signal),
  });
  return (
    <div className="page" style={{ maxWidth: 680 }}>
      <Trail parts={[{ label: "Settings" }]} />
      <h1>Settings</h1>
      <Field label="Theme">
        <select
          className="input"
          value={theme}
          onChange={(event) => {
            const next = event.target.value as Theme;
            setTheme(next);
            applyTheme(next);
          }}
        >
          <option value="system">As the system</option>
          <option value="light">Light</option>
          <option value="dark">Dark</option>
        </select>
      </Field>
      <Field label="Time zone" hint={`Now it is ${formatTime(Date.now(), zone || undefined)}.`}>
        <select
          className="input"
          value={zone}
          onChange={(event) => {
            setZone(event.target.value);
            setTimeZone(event.target.value);
          }}
        >
          <option value="">As the browser</option>
          <option value="UTC">UTC</option>
          {ZONES.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </Field>
      <h2>Log to this server</h2>
      <Code>{`export MLFLOW_TRACKING_URI=${location.origin}${ROOT}`}</Code>
      <h2>Server</h2>
      <KeyValues
        rows={Object.entries(data ?? {}).map(([key, value]) => [
          key,
          typeof value === "string" ? value : JSON.stringify(value),
        ])}
      />
      <p className="muted">
        <a href={`${ROOT}/openapi.json`}>OpenAPI document</a> ·{" "}
        <a href={`${ROOT}/plain/`}>Plain pages, without scripts</a>
      </p>
    </div>
  );
}
