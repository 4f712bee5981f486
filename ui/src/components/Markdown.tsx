/** Notes and descriptions. Raw HTML is shown as text, links are http, https and mailto, images of other hosts are not loaded. */
import DOMPurify from "dompurify";
import { Marked } from "marked";
import { useMemo } from "react";
import styles from "./Markdown.module.css";

const marked = new Marked({
  gfm: true,
  breaks: false,
  renderer: {
    html: ({ text }) => escaped(text),
    image: ({ href, text }) =>
      isOwn(href) ? `<img src="${escaped(href)}" alt="${escaped(text)}">` : escaped(`[image: ${text || href}]`),
  },
});

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (text: string) => text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
const isOwn = (href: string) => {
  try {
    return new URL(href, location.href).origin === location.origin;
  } catch {
    return false;
  }
};

const purify = DOMPurify(window);
purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    node.setAttribute("rel", "noopener noreferrer nofollow");
    if (node.getAttribute("href")?.startsWith("http")) node.setAttribute("target", "_blank");
  }
});

export function toSafeHtml(text: string): string {
  return purify.sanitize(marked.parse(text, { async: false }), {
    ALLOWED_TAGS: [
      "a",
      "b",
      "blockquote",
      "br",
      "code",
      "del",
      "em",
      "h1",
      "h2",
      "h3",
      "h4",
      "h5",
      "h6",
      "hr",
      "i",
      "img",
      "input",
      "li",
      "ol",
      "p",
      "pre",
      "strong",
      "table",
      "tbody",
      "td",
      "th",
      "thead",
      "tr",
      "ul",
    ],
    ALLOWED_ATTR: ["href", "src", "alt", "title", "align", "type", "checked", "disabled", "start"],
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|\/|#|\.)/i,
    ALLOW_DATA_ATTR: false,
    ADD_ATTR: ["rel", "target"],
  });
}

export function Markdown({ text }: { text: string }) {
  const html = useMemo(() => toSafeHtml(text), [text]);
  // biome-ignore lint/security/noDangerouslySetInnerHtml: the one place; the text has passed the allow-list above
  return <div className={styles.markdown} dangerouslySetInnerHTML={{ __html: html }} />;
}
