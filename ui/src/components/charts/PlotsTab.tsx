import { lazy, Suspense } from "react";
import { Skeleton } from "@/components/parts";
import type { Row } from "@/core/columns";
import type { Keys } from "@/queries/experiments";

const Plots = lazy(() => import("./Plots"));

/** The other plots; their library is loaded when they are first opened. */
export function PlotsTab(props: { rows: readonly Row[]; keys: Keys; total: number }) {
  return (
    <Suspense fallback={<Skeleton />}>
      <Plots {...props} />
    </Suspense>
  );
}
