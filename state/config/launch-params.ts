/**
 * Reads the text of launch-params: `KEY=VALUE` joined by commas (or line feeds, as the container image leaves them).
 * A key that is empty or `null` is not set and left out; of duplicates the last one counts; anything that is not
 * `KEY=VALUE` is skipped. Shell variables that the container form has between them are kept like any other.
 *
 * @see protocol.md 6.1
 */
export function parseLaunchParams(text: string): Map<string, string> {
  const params = new Map<string, string>();
  for (const segment of text
    .replace(/^\uFEFF/, '')
    .replaceAll('\0', '')
    .split(/[,\r\n]/)) {
    const equals = segment.indexOf('=');
    const key = segment.slice(0, equals).trim();
    if (equals < 0 || key === '') continue;
    const value = unquoted(segment.slice(equals + 1).trim());
    if (isSet(value)) params.set(key, value);
    else params.delete(key);
  }
  return params;
}

/** The platform builds texts by concatenation in Java, so a missing value may read `null`. */
export function isSet(value: string): boolean {
  return value !== '' && value !== 'null';
}

/** May only be given to scripts when `extensions.pass.secrets` is on, and is never shown. @see plugins.md */
export function isSecretParam(name: string): boolean {
  return name === 'CARTRIDGE_KEY' || name === 'TOKEN' || /PASSWORD/i.test(name);
}

/** Undoes what `set` of a POSIX shell does to values with special characters. */
function unquoted(value: string): string {
  const inner = /^'(.*)'$/.exec(value)?.[1];
  return inner === undefined ? value : inner.replaceAll(`'\\''`, `'`);
}
