export default function AllRunsPage() {
  return <h1>AllRunsPage</h1>;
}
