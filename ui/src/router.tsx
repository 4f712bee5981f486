/** The addresses of the pages. Whatever is worth sharing is in the address: see each page's `search` type. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router";
import { ErrorView } from "@/components/ErrorView";
import { Frame } from "@/components/Frame";
import { NotFound } from "@/components/NotFound";
import { fromHash } from "@/core/oldLinks";
import { queryClient } from "@/queries/cache";
import { ROOT } from "@/queries/client";
import { experiment, keys } from "@/queries/experiments";
import { runPages, searchAt } from "@/queries/runs";

/** Free-form: each page reads what it knows and keeps the rest. */
export type Search = Record<string, unknown>;
const validateSearch = (search: Search): Search => search;

const root = createRootRoute({
  component: Frame,
  errorComponent: ErrorView,
  notFoundComponent: NotFound,
  beforeLoad: () => {
    const address = fromHash(window.location.hash);
    if (address) throw redirect({ href: ROOT + address, replace: true });
  },
});

const page = <Path extends string>(
  path: Path,
  load: () => Promise<{ default: () => React.ReactNode }>,
  ask?: (place: Record<string, string>, address: Search) => void,
) =>
  createRoute({
    getParentRoute: () => root,
    path,
    validateSearch,
    component: lazyRouteComponent(load),
    ...(ask && { loader: ({ params, location }) => ask(params as Record<string, string>, location.search as Search) }),
  });

/** Ask for what the workspace shows first while its script is still on its way. */
function askForRuns(place: Record<string, string>, address: Search): void {
  const ids = (place.ids ?? "").split(",").filter(Boolean);
  for (const id of ids) void queryClient.prefetchQuery(experiment(id));
  void queryClient.prefetchQuery(keys(ids));
  void queryClient.prefetchInfiniteQuery(runPages(searchAt(ids, address)));
}

const routes = [
  page("/", () => import("@/pages/experiments/ExperimentsPage")),
  page("/experiments/$ids", () => import("@/pages/workspace/WorkspacePage"), askForRuns),
  page("/runs", () => import("@/pages/workspace/AllRunsPage")),
  page("/runs/$runId", () => import("@/pages/run/RunPage")),
  page("/compare", () => import("@/pages/compare/ComparePage")),
  page("/models", () => import("@/pages/models/ModelsPage")),
  page("/models/$name", () => import("@/pages/models/ModelPage")),
  page("/models/$name/$version", () => import("@/pages/models/VersionPage")),
  page("/trash", () => import("@/pages/trash/TrashPage")),
  page("/settings", () => import("@/pages/settings/SettingsPage")),
];

export const router = createRouter({
  routeTree: root.addChildren(routes),
  basepath: ROOT || "/",
  defaultPreload: "intent",
  defaultErrorComponent: ErrorView,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
