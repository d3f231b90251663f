import { hooks as hookKinds, isHookName } from '../../../plugins/contract.ts';
import { type Notes, withNote, withoutNote } from '../../../state/lifecycle/condition.ts';
import { type Facts, noFacts } from '../../../state/lifecycle/facts.ts';
import type { Status } from '../../../state/status.ts';
import { elapsedMs, type Stamp } from '../../journal/clock.ts';
import type { Line } from '../../journal/line.ts';

type Ran = Status['hooks'][number];
type Told = { readonly ran: readonly Ran[]; readonly notes: Notes; readonly facts: Facts; readonly begun: Begun };
/** The line with which the last attempt of each gate began. */
type Begun = Readonly<Record<string, Stamp>>;

/**
 * What the lines of a journal tell of gates, ports and artifacts: how each gate and each of its executables last ended,
 * and what a person would have been told at the last line. What no line says is null, or left out.
 *
 * @param lines - oldest first
 */
export function toldByLines(lines: readonly Line[], now: Stamp): { hooks: Status['hooks']; notes: Notes } {
  const nothing: Told = { ran: [], notes: {}, facts: noFacts, begun: {} };
  const { ran, notes, facts } = lines.reduce((told, line) => withLine(told, line, now), nothing);
  const isOver = facts.departed && !facts.gaveUp;
  return { hooks: [...ran], notes: isOver ? {} : { ...notes, ...openGates(facts, notes) } };
}

function withLine(told: Told, line: Line, now: Stamp): Told {
  const facts = line.facts ?? told.facts;
  const input = inputOf(line);
  // A run begins without notes, and so does leaving; what was lacked when the instance was given up is its last word.
  const isFresh = (input.type === 'xstate.init' && !facts.gaveUp) || (facts.leaving && !told.facts.leaving);
  const ran = ranIn(told, { line, input, now });
  return {
    ran: ran === null ? told.ran : [...told.ran.filter((it) => !isSame(it, ran)), ran],
    notes: notesAfter(isFresh ? {} : told.notes, input, facts),
    facts,
    begun: begunAfter(told, facts, line),
  };
}

/** A gate that was begun and is not through: it still ran, unless it has said that it is closed. */
function openGates({ attempts }: Facts, notes: Notes): Notes {
  const open = Object.entries(attempts).filter(([gate]) => !(gate in notes));
  return Object.fromEntries(
    open.map(([gate, attempt]) => {
      return [gate, { condition: 'waiting', text: `${gate} had begun, attempt ${attempt}, and not ended` }] as const;
    }),
  );
}

function ranIn({ facts, begun }: Told, { line, input, now }: { line: Line; input: Input; now: Stamp }): Ran | null {
  const agoMs = elapsedMs(line, now);
  if (input.type === 'HookPassed') {
    const { gate, executable } = input;
    if (gate === null || executable === null) return null;
    const attempt = facts.attempts[gate] ?? null;
    return { hook: gate, executable, attempt, end: 'done', reason: null, durationMs: null, agoMs };
  }
  if (input.gate === null || input.end === null) return null;
  const began = begun[input.gate];
  return {
    hook: input.gate,
    executable: input.executable,
    attempt: facts.attempts[input.gate] ?? null,
    end: input.end,
    reason: input.reason,
    durationMs: began === undefined ? null : elapsedMs(began, line),
    agoMs,
  };
}

function begunAfter({ facts: before, begun }: Told, { attempts }: Facts, line: Line): Begun {
  const risen = Object.entries(attempts).filter(([gate, attempt]) => attempt > (before.attempts[gate] ?? 0));
  return { ...begun, ...Object.fromEntries(risen.map(([gate]) => [gate, line])) };
}

function isSame(one: Ran, other: Ran): boolean {
  const isOfGate = ({ end }: Ran) => end !== 'done';
  if (one.hook !== other.hook) return false;
  return isOfGate(one) ? isOfGate(other) : one.executable === other.executable;
}

/** As the machine keeps them (state/lifecycle), but for what is in no line. */
function notesAfter(notes: Notes, { type, gate, end, reason }: Input, { deployed }: Facts): Notes {
  if (gate !== null && (type === 'GateSkipped' || (end === 'passed' && reason === null)))
    return withoutNote(notes, gate);
  if (gate !== null && end !== null && gate !== 'drain' && gate !== 'clean')
    return withNote(notes, {
      about: gate,
      condition: end === 'passed' ? 'degraded' : 'blocked',
      text: `${gate}: ${reason}`,
    });
  if (type === 'xstate.done.actor.waitForPorts') return withoutNote(notes, 'ports');
  if (type === 'xstate.error.actor.waitForPorts' && reason !== null)
    return withNote(notes, { about: 'ports', condition: 'blocked', text: reason });
  // That a look was a success is in no line, but for what it led to.
  if (deployed.length > 0 || type === 'xstate.done.actor.placeArtifact') return withoutNote(notes, 'artifacts');
  if (/^xstate\.error\.actor\.(fetch|place)Artifact$/.test(type) && reason !== null)
    return withNote(notes, { about: 'artifacts', condition: 'waiting', text: reason });
  return notes;
}

type Input = {
  readonly type: string;
  readonly gate: string | null;
  /** Of a gate, if this is its end. */
  readonly end: Exclude<Ran['end'], 'done'> | null;
  readonly reason: string | null;
  /** What is through, or what the gate was closed by. */
  readonly executable: string | null;
};

/** `xstate.done.actor.startServers` with how it ended, `xstate.error.actor.fetchArtifact` with why, or any other. */
function inputOf(line: Line): Input {
  const input = line.kind === 'input' ? fieldsOf(line.input) : {};
  const type = textOf(input['type']) ?? '';
  const output = fieldsOf(input['output']);
  const [, how, actor] = /^xstate\.(done|error)\.actor\.(.*)$/s.exec(type) ?? [];
  const gate = [actor, textOf(input['gate'])].find((name) => isGate(name)) ?? null;
  return {
    type,
    gate,
    end: how === 'error' ? 'blocked' : endOf(output),
    reason: textOf(input['error'] ?? output['degraded'] ?? output['reason']),
    executable: textOf(input['executable'] ?? output['executable']),
  };
}

function endOf({ kind, by }: Readonly<Record<string, unknown>>): Input['end'] {
  if (kind === 'passed') return kind;
  return kind === 'blocked' ? (ends[String(by)] ?? kind) : null;
}

const ends: Readonly<Record<string, Input['end']>> = { veto: 'veto', failure: 'failed', 'held too long': 'hold' };

function isGate(name: string | null | undefined): name is string {
  return typeof name === 'string' && isHookName(name) && hookKinds[name].kind === 'gate';
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
