import { Link } from "@tanstack/react-router";

export function NotFound() {
  return (
    <div style={{ padding: 24 }}>
      <h1>There is no such page</h1>
      <p className="muted">The address may be mistyped, or what it named was deleted for good.</p>
      <Link to="/">Go to the experiments</Link>
    </div>
  );
}
