/** Saved views of an experiment: a name and what the address said. Kept as a tag of the experiment, so all users see them. */

export interface View {
  name: string;
  search: Record<string, unknown>;
  isDefault: boolean;
}

/** What a view keeps of the address. */
const KEPT = [
  "tab",
  "filter",
  "order",
  "cols",
  "pin",
  "widths",
  "group",
  "beside",
  "x",
  "smooth",
  "strength",
  "logx",
  "logy",
  "clip",
  "band",
  "metrics",
  "closed",
  "panels",
  "sizes",
  "plot",
  "px",
  "py",
  "pm",
  "axes",
];

export const searchOfView = (address: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(address).filter(([name]) => KEPT.includes(name)));

/** The views in a tag's text; anything that is none is left out. */
export function parseViews(text: string | undefined): View[] {
  if (!text) return [];
  try {
    const found: unknown = JSON.parse(text);
    if (!Array.isArray(found)) return [];
    return found.filter(
      (view): view is View =>
        typeof view === "object" &&
        view !== null &&
        typeof view.name === "string" &&
        typeof view.search === "object" &&
        view.search !== null,
    );
  } catch {
    return [];
  }
}

export function withView(views: readonly View[], view: View): View[] {
  const others = views.filter((each) => each.name !== view.name);
  return [...(view.isDefault ? others.map((each) => ({ ...each, isDefault: false })) : others), view];
}
