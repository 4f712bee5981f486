/** The cache of what the server said. Queries declare key and fetcher together, beside each other in this folder. */
import { QueryClient } from "@tanstack/react-query";
import { ServerError } from "@/queries/client";

/** Asked again only when no answer came or the server is busy: a refusal stays one. */
function isWorthAnotherTry(failures: number, error: unknown): boolean {
  return (
    failures < 2 && error instanceof ServerError && (error.status === 0 || error.status === 429 || error.status === 503)
  );
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: isWorthAnotherTry,
      refetchOnWindowFocus: true,
      placeholderData: (before: unknown) => before,
    },
    mutations: { retry: false },
  },
});
