/** What every page stands in: rail, bar with the trail, and the page. */
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { useState } from "react";
import { applyTheme, isDark } from "@/core/theme";
import styles from "./Frame.module.css";
import { Icon, type IconName } from "./Icon";
import { Live } from "./Live";
import { Palette, usePalette } from "./Palette";
import { Toasts } from "./Toasts";

const PLACES: { to: string; label: string; icon: IconName }[] = [
  { to: "/", label: "Experiments", icon: "experiments" },
  { to: "/models", label: "Models", icon: "models" },
  { to: "/runs", label: "Runs", icon: "runs" },
  { to: "/trash", label: "Trash", icon: "trash" },
  { to: "/settings", label: "Settings", icon: "settings" },
];

export function Frame() {
  const [dark, setDark] = useState(isDark);
  const toggleTheme = () => {
    applyTheme(dark ? "light" : "dark");
    setDark(!dark);
  };
  const palette = usePalette(toggleTheme);
  const { pathname } = useLocation();
  // A run is reached through its experiment, as its trail says; only the list of all runs is a place of its own.
  const current = pathname.startsWith("/runs/")
    ? "/"
    : (PLACES.find((place) => pathname.startsWith(place.to) && place.to !== "/")?.to ?? "/");
  return (
    <div className={styles.frame}>
      <a className="skip-link" href="#main">
        Skip to the page
      </a>
      <nav className={styles.rail} aria-label="Places">
        {PLACES.map((place) => (
          <Link
            key={place.to}
            to={place.to}
            className={styles.place}
            data-active={place.to === current || undefined}
            aria-current={place.to === current ? "page" : undefined}
            activeProps={{}}
          >
            <Icon name={place.icon} />
            <span>{place.label}</span>
          </Link>
        ))}
      </nav>
      <header className={styles.bar}>
        <div id="trail" className={styles.trail} />
        <button type="button" className="button" onClick={palette.open} aria-keyshortcuts="Control+K Meta+K">
          <Icon name="search" size={14} />
          <span className={styles.searchWord}>Search</span>
          <kbd className="muted">⌘K</kbd>
        </button>
        <Live />
        <button
          type="button"
          className="button"
          data-kind="quiet"
          onClick={toggleTheme}
          aria-label={dark ? "Use the light theme" : "Use the dark theme"}
        >
          <Icon name={dark ? "sun" : "moon"} />
        </button>
      </header>
      <main id="main" className={styles.main} tabIndex={-1}>
        <Outlet />
      </main>
      <Palette state={palette} />
      <Toasts />
    </div>
  );
}
