/** State that lives in the address. */
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

type Values = Record<string, unknown>;

/** What the address says, and a way to change it. Empty values leave the address. */
export function useAddress(): [Values, (changes: Values, options?: { replace?: boolean }) => void] {
  const search = useSearch({ strict: false }) as Values;
  const navigate = useNavigate();
  const change = useCallback(
    (changes: Values, options: { replace?: boolean } = {}) => {
      void navigate({
        to: ".",
        replace: options.replace ?? false,
        resetScroll: false,
        search: (before: Values) => without({ ...before, ...changes }),
      });
    },
    [navigate],
  );
  return [search, change];
}

function without(values: Values): Values {
  return Object.fromEntries(
    Object.entries(values).filter(
      ([, value]) =>
        value !== undefined && value !== "" && value !== null && !(Array.isArray(value) && value.length === 0),
    ),
  );
}

export const text = (value: unknown, fallback = ""): string =>
  typeof value === "string" ? value : value === undefined ? fallback : String(value);
export const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.map(String) : value === undefined || value === "" ? [] : [String(value)];
