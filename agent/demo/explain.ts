import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hooks } from '../../plugins/contract.ts';

type Input = { readonly type: string; readonly status?: string };

/**
 * What made the instance enter a state, out of the agent's journal: the last input that led there from another one.
 *
 * @returns null if the journal does not tell
 */
export function whatLedTo(state: string, stateDir: string): string | null {
  const entries = readInputs(stateDir);
  const index = entries.findLastIndex((entry, at) => entry.state === state && entries[at - 1]?.state !== state);
  const entry = entries[index];
  return entry === undefined ? null : inWords(entry.input);
}

/** On disk before its effects, so it is there when the log speaks of them. */
function readInputs(stateDir: string): readonly { input: Input; state: string }[] {
  try {
    const lines = readFileSync(join(stateDir, 'journal'), 'utf8').split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'input');
  } catch {
    return [];
  }
}

function inWords({ type, status }: Input): string {
  const [, end, actor] = /^xstate\.(done|error)\.actor\.(.+)$/.exec(type) ?? [];
  if (type === 'xstate.init') return 'the agent started';
  if (type === 'MemberTold') return `the platform shows the member as ${status}`;
  if (type === 'CleanupRequested') return 'a cleanup for this member';
  if (actor === undefined) return type;
  const what = actor in hooks ? `the hook ${actor}` : actor;
  return end === 'done' ? `${what} is through` : `${what} failed`;
}
