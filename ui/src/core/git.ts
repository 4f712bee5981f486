/** Where a commit can be looked at; null if the repository's address tells no web page. */
export function commitUrl(repository: string | undefined, commit: string | undefined): string | null {
  if (!repository || !commit || !/^[0-9a-f]{7,64}$/.test(commit)) return null;
  const scp = /^git@([\w.-]+):([\w./-]+)$/.exec(repository);
  const address = scp ? `https://${scp[1]}/${scp[2]}` : repository;
  if (!/^https:\/\/[\w.-]+\/[\w./-]+$/.test(address)) return null;
  return `${address.replace(/\.git$/, "").replace(/\/$/, "")}/commit/${commit}`;
}
