/** One experiment, or several by comma. */
import { useQueries } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { ErrorView } from "@/components/ErrorView";
import { experiment } from "@/queries/experiments";
import type { Experiment } from "@/queries/types";
import { Workspace } from "./Workspace";

export default function WorkspacePage() {
  const { ids } = useParams({ strict: false }) as { ids: string };
  const wanted = ids.split(",").filter(Boolean);
  const found = useQueries({ queries: wanted.map((id) => experiment(id)) });
  const failed = found.find((each) => each.error && !each.data);
  if (failed) return <ErrorView error={failed.error} reset={() => void failed.refetch()} />;
  const experiments = found.map((each) => each.data).filter((each): each is Experiment => each !== undefined);
  return <Workspace key={ids} ids={wanted} experiments={experiments} />;
}
