/** The runs of all experiments in one table. */
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { ErrorView } from "@/components/ErrorView";
import { Skeleton } from "@/components/parts";
import { overview } from "@/queries/experiments";
import { Workspace } from "./Workspace";

const MOST = 100;

export default function AllRunsPage() {
  const { data, error, refetch } = useQuery(overview());
  const shown = useMemo(() => data?.slice(0, MOST).map((each) => each.experiment), [data]);
  const ids = useMemo(() => shown?.map((each) => each.experiment_id) ?? [], [shown]);
  if (error && !data) return <ErrorView error={error} reset={() => void refetch()} />;
  if (!shown) return <Skeleton />;
  return (
    <Workspace
      ids={ids}
      experiments={shown}
      title={data && data.length > MOST ? `Runs of the ${MOST} latest experiments` : "Runs"}
    />
  );
}
