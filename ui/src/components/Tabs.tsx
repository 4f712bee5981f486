/** Tabs whose choice is in the address. */
import { Link } from "@tanstack/react-router";
import styles from "./Tabs.module.css";

export function Tabs({
  tabs,
  current,
  label,
}: {
  tabs: { id: string; label: string }[];
  current: string;
  label: string;
}) {
  return (
    <nav className={styles.tabs} aria-label={label}>
      {tabs.map((tab) => (
        <Link
          key={tab.id}
          to="."
          search={(before: Record<string, unknown>) => ({ ...before, tab: tab.id })}
          className={styles.tab}
          data-active={tab.id === current || undefined}
          aria-current={tab.id === current ? "page" : undefined}
        >
          {tab.label}
        </Link>
      ))}
    </nav>
  );
}
