import type { ConfigWarning, Problem } from '../state/config/problems.ts';
import type { Settings } from '../state/config/settings.ts';
import { reasonOf } from '../state/errors.ts';
import { Secret } from '../state/secret.ts';
import { trustIn } from './authorities.ts';
import { readText } from './config-text.ts';

const fileKeys = [
  'mb.username.file',
  'mb.password.file',
  'mb.tls.ca',
  'mb.tls.cert',
  'mb.tls.key',
  'thrift.tls.ca',
] as const;
const authorityKeys = ['mb.tls.ca', 'thrift.tls.ca'] as const;
const wanted = 'write the path of a file that the agent can read';

/** User and password, and a look at the certificates: a missing one would only show when the broker is first reached. */
export function readNamedFiles({ values, sources }: Settings, resolvePath: (path: string) => string) {
  const problems: Problem[] = [];
  const read = (name: (typeof fileKeys)[number]) => {
    const path = values[name];
    if (path === null) return null;
    const found = readText(resolvePath(path));
    if ('text' in found && found.text.trim() !== '') return found.text;
    const wrong = `${resolvePath(path)} ${'reason' in found ? found.reason : 'is empty'}`;
    const { file, line } = sources.get(name) ?? { file: null, line: null };
    problems.push({ file: file ?? '', line, key: name, wrong, nearest: null, write: wanted });
    return null;
  };
  const [username = null, password = null] = fileKeys.map((name) => read(name)?.replace(/\r?\n$/, '') ?? null);
  return { problems, username, password: password === null ? null : new Secret(password) };
}

/** Nobody would be trusted. It is read anew for each connection, and may be another file by then. */
export function adviseCertificates(
  { values, sources }: Settings,
  resolvePath: (path: string) => string,
): ConfigWarning[] {
  return authorityKeys.flatMap((key): ConfigWarning[] => {
    const path = values[key];
    if (path === null) return [];
    try {
      trustIn(resolvePath(path));
      return [];
    } catch (error) {
      const { file, line } = sources.get(key) ?? { file: '', line: null };
      const write = 'name a file with the certificates of the servers, or of who signed them, in PEM format';
      return [{ file: file ?? '', line, key, wrong: reasonOf(error), nearest: null, write }];
    }
  });
}
