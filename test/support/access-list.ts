import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from './current-test.ts';

/** A file of access rules for Mosquitto's `acl_file`; gone after the test. @returns its path */
export function accessList(...rules: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'access-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'access');
  writeFileSync(file, `${rules.join('\n')}\n`, { mode: 0o600 });
  return file;
}
