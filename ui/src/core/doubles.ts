/** Arrays of numbers as they come over the wire. */

/** The doubles of a text in base64, lowest byte first. */
export function doubles(base64: string): number[] {
  const raw = atob(base64);
  const bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at);
  return Array.from(new Float64Array(bytes.buffer)); // every browser's machine has the lowest byte first too
}
