import { join } from 'node:path';
import { type AgentError, reasonOf } from '../../state/errors.ts';
import type { Faults } from '../faults.ts';
import { quarantine, setAside } from './aside.ts';
import { JournalDamagedError, JournalForeignError, JournalTornError, JournalUnreadableError } from './failures.ts';
import { nothingRead, type Reading, readLines } from './read.ts';

/** What a former run has left, and what was wrong with it. */
export type Found = { readonly reading: Reading; readonly problems: readonly AgentError[] };

/**
 * Reads the journal of a former run, and puts out of the way what must not be written on. Never throws.
 *
 * @returns `mustRewrite`: the file must be replaced before a line can be added
 */
export function takeOver(
  stateDir: string,
  { memberId, faults }: { memberId: string; faults: Faults },
): Found & { readonly mustRewrite: boolean } {
  const path = join(stateDir, 'journal');
  const { reading, problems } = readOrNothing(path);
  const other = reading.known.memberId;
  const isForeign = other !== null && other !== memberId;
  if (problems.length > 0 || isForeign) {
    const place = orNull(() => setAside(path, { memberId: other, faults }));
    const foreign = new JournalForeignError(`cannot go on from ${path}`, { facts: { path, other, place } });
    // If it is still there, it is replaced, never added to.
    return { reading: nothingRead(), problems: isForeign ? [foreign] : problems, mustRewrite: place === null };
  }

  const place = reading.damaged.length === 0 ? null : orNull(() => quarantine(stateDir, reading.damaged));
  return { reading, problems: damageIn(reading, place), mustRewrite: place !== null || reading.endsOpen };
}

/** Reads the journal as it is, and changes nothing. Never throws. */
export function lookAt(stateDir: string): Found {
  const { reading, problems } = readOrNothing(join(stateDir, 'journal'));
  return { reading, problems: [...problems, ...damageIn(reading, null)] };
}

function readOrNothing(path: string): Found {
  try {
    return { reading: readLines(path), problems: [] };
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')
      return { reading: nothingRead(), problems: [] };
    const problem = new JournalUnreadableError(`cannot read ${path}: ${reasonOf(cause)}`, { cause, facts: { path } });
    return { reading: nothingRead(), problems: [problem] };
  }
}

/** @param place - where the damaged lines are now, if they could be kept */
function damageIn({ damaged, tornBytes }: Reading, place: string | null): AgentError[] {
  const problems: AgentError[] = [];
  const lines = damaged.length;
  if (lines > 0) problems.push(new JournalDamagedError('cannot use damaged lines', { facts: { lines, place } }));
  if (tornBytes > 0) problems.push(new JournalTornError('cannot use half a line', { facts: { bytes: tornBytes } }));
  return problems;
}

/** For what is good to have, and no reason not to go on. */
function orNull<Value>(act: () => Value): Value | null {
  try {
    return act();
  } catch {
    return null;
  }
}
