import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Journaled } from '../../../state/status/journaled.ts';
import type { Status } from '../../../state/status.ts';
import { readJournal } from '../../journal/journal.ts';
import type { Line } from '../../journal/line.ts';
import { toldByLines } from './gate-lines.ts';

const shownLines = 20;

/** What the journal in `stateDir` tells, which nothing here changes; null if there is none that could be read. */
export async function readJournaled(stateDir: string): Promise<Journaled | null> {
  if (!(await isFile(join(stateDir, 'journal')))) return null;
  const { memberId, recovery, lastLines, ageMs, at } = readJournal(stateDir);
  const { state, stateForMs, undelivered, problems } = recovery;
  return {
    state,
    stateForMs,
    gaveUp: recovery.facts?.gaveUp ?? false,
    ...toldByLines(lastLines, at),
    memberId,
    undelivered,
    ageMs,
    problems: problems.map(({ message }) => message),
    artifacts: recovery.artifacts.filter(({ what }) => what !== 'removed'),
    recent: lastLines.slice(-shownLines).flatMap(recentOf),
  };
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (it) => it.isFile(),
    () => false,
  );
}

/** An input by its name and what it decided, a receipt by its event; the rest is bookkeeping. */
function recentOf({ kind, at, input, state, decided, event }: Line): Status['recent'] {
  if (Number.isNaN(Date.parse(at))) return [];
  const when = new Date(at).toISOString();
  if (kind === 'receipt') return [{ at: when, event: 'delivered', text: event ?? '' }];
  if (kind !== 'input') return [];
  const decisions = decided.length === 0 ? '' : `, decided ${decided.join(', ')}`;
  return [{ at: when, event: nameOf(input), text: `${state ?? 'unknown'}${decisions}` }];
}

/** `xstate.done.actor.startServers` is the end of startServers, `xstate.init` the start of a run. */
function nameOf(input: unknown): string {
  const type = typeof input === 'object' && input !== null && 'type' in input ? String(input.type) : 'input';
  if (type === 'xstate.init') return 'start';
  const [, how, actor] = /^xstate\.(done|error)\.actor\.(.*)$/s.exec(type) ?? [];
  if (actor === undefined) return type;
  return how === 'done' ? `${actor} done` : `${actor} failed`;
}
