/** The icons, drawn on a grid of 16: one stroke weight, no fill. */

const PATHS = {
  experiments: "M6 2h4M7 2v4L3.5 12.5A1 1 0 0 0 4.4 14h7.2a1 1 0 0 0 .9-1.5L9 6V2M5.2 10h5.6",
  models: "M8 1.8 14 5v6l-6 3.2L2 11V5l6-3.2ZM2 5l6 3.2L14 5M8 8.2v6",
  runs: "M2 12c2 0 2-7 4-7s2 6 4 6 2-4 4-4",
  trash: "M3 4.5h10M6.5 4V2.5h3V4M4.5 4.5l.6 9h5.8l.6-9M6.8 7v4M9.2 7v4",
  settings: "M2 4.5h7M12 4.5h2M2 11.5h2M7 11.5h7M10.5 3v3M5.5 10v3",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
  moon: "M13 9.5A5.5 5.5 0 1 1 6.5 3 4.5 4.5 0 0 0 13 9.5Z",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9ZM10.5 10.5 14 14",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  check: "M3 8.5l3.5 3.5L13 4.5",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  plus: "M8 3v10M3 8h10",
  star: "M8 2l1.8 3.9 4.2.5-3.1 2.9.8 4.2L8 11.4l-3.7 2.1.8-4.2L2 6.4l4.2-.5L8 2Z",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8ZM8 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6Z",
  columns: "M2.5 3h11v10h-11ZM6.2 3v10M9.8 3v10",
  download: "M8 2v8M4.5 7 8 10.5 11.5 7M3 13.5h10",
  copy: "M5.5 5.5h8v8h-8ZM10.5 5.5v-3h-8v8h3",
  folder: "M2 4h4l1.5 1.5H14v7H2Z",
  file: "M4 2h5l3 3v9H4ZM9 2v3h3",
  chevron: "M6 4l4 4-4 4",
  pin: "M6 2h4l-.5 4L12 8.5H4L6.500 6ZM8 8.500V14",
  grip: "M6 4h.01M10 4h.01M6 8h.01M10 8h.01M6 12h.01M10 12h.01",
  link: "M6.500 9.500l3-3M7 4.500l1.500-1.500a2.800 2.800 0 0 1 4 4L11 8.500M5 7.500 3.500 9a2.800 2.800 0 0 0 4 4L9 11.500",
  edit: "M3 13l.6-2.800L10.800 3l2.200 2.200-7.200 7.200L3 13Z",
  compare: "M5 2.500v11M11 2.500v11M2.500 5h5M8.500 11h5",
  keyboard: "M1.500 4.500h13v7h-13ZM4 7h.01M6.500 7h.01M9 7h.01M11.500 7h.01M5 9.500h6",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
