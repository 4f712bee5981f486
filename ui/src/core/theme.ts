/** Light, dark, or what the system says; kept in this browser. */

export type Theme = "light" | "dark" | "system";
const KEY = "millstream.theme";

export function chosenTheme(): Theme {
  const stored = localStorage.getItem(KEY);
  return stored === "light" || stored === "dark" ? stored : "system";
}

export function isDark(): boolean {
  const theme = chosenTheme();
  return theme === "dark" || (theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
}

/** Put the theme on the page; charts listen for `millstream:theme` to draw again in its colours. */
export function applyTheme(theme?: Theme): void {
  if (theme) localStorage.setItem(KEY, theme);
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  window.dispatchEvent(new Event("millstream:theme"));
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => applyTheme());
