/**
 * Writes a body as the platform's library does: what is null or missing is left out, and what could be HTML is escaped.
 *
 * @see protocol.md section 3
 */
export function toGson(body: object): string {
  const text = JSON.stringify(body, (_key, value) => (value === null ? undefined : value));
  return text.replace(/[<>&='\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
