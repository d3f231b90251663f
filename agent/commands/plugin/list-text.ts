import type { HookName } from '../../../plugins/contract.ts';
import { shown, shownExactly } from '../../../state/status/duration.ts';
import type { StatusHook } from '../../../state/status.ts';
import type { Runner } from '../../hooks/runners.ts';
import type { PluginHost } from '../../plugins/host.ts';
import { printable } from '../events/harmless.ts';

/** What `plugin list --json` prints. */
export type PluginList = {
  readonly schema: 'cartridge-agent.plugins/1';
  readonly at: string;
  readonly plugins: readonly (Pick<Host, 'name' | 'version' | 'path' | 'isShipped' | 'hooks' | 'offers'> & {
    readonly loads: boolean;
  })[];
  /** Hooks that have something to be run, in the order of a life; what is run for each, in its order. */
  readonly hooks: readonly {
    readonly hook: HookName;
    readonly kind: 'gate' | 'notice';
    readonly runners: readonly ListedRunner[];
  }[];
  readonly problems: readonly { readonly code: string; readonly message: string; readonly remedy: string }[];
};

type Host = ReturnType<PluginHost['list']>[number];

export type ListedRunner = {
  readonly name: string;
  readonly kind: Runner['kind'];
  readonly mode: Runner['mode'];
  /** Null: as configured. */
  readonly timeoutMs: number | null;
  /** How it ended last, as the agent remembers; null: not since that has started, or it does not run. */
  readonly last: Pick<StatusHook, 'end' | 'reason' | 'attempt' | 'durationMs' | 'agoMs'> | null;
};

/** For people: the plugins, what is run for each hook in its order, and what is wrong. Ends with a line feed. */
export function listText({ plugins, hooks, problems }: PluginList, { colour }: { colour: boolean }): string {
  const red = (text: string) => (colour ? `\u001b[31m${text}\u001b[0m` : text);
  const pluginRows = plugins.map(({ name, version, loads, isShipped, offers, path }) => [
    loads ? '✓' : red('✗'),
    name,
    version ?? '-',
    [isShipped ? 'ships' : path, ...offers].join(', '),
  ]);
  const hookLines = hooks.flatMap(({ hook, kind, runners }) => [
    `  ${hook}  (${kind})`,
    ...table(runners.map((runner, index) => [`  ${index + 1}.`, runner.name, facts(runner), lastOf(runner)])),
  ]);
  const problemLines = problems.flatMap(({ message, remedy, code }) => [
    `  ${red('✗')} ${printable(message)}`,
    `    ${printable(remedy)} [${code}]`,
  ]);
  return [
    ...section('Plugins', pluginRows.length === 0 ? ['  none'] : table(pluginRows)),
    ...section('Hooks, and what is run for each', hookLines.length === 0 ? ['  nothing'] : hookLines),
    ...section('Problems', problemLines),
  ].join('');
}

/** Nothing without lines. */
function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${title}\n${lines.join('\n')}\n`];
}

function facts({ kind, mode, timeoutMs }: ListedRunner): string {
  const limit = timeoutMs === null ? [] : [`at most ${shownExactly(timeoutMs)}`];
  return [kind, ...(mode === 'audit' ? ['audit'] : []), ...limit].join(', ');
}

function lastOf({ last }: ListedRunner): string {
  if (last === null) return '-';
  const reason = last.reason === null ? '' : `: ${last.reason}`;
  const took = last.durationMs === null ? '' : ` ${shownExactly(last.durationMs)}`;
  return `${last.end}${took}, ${shown(last.agoMs)} ago${reason}`;
}

/** Every cell but the last one as wide as its column. */
function table(rows: readonly (readonly string[])[]): string[] {
  const cells = rows.map((row) => row.map((cell, column) => (column === 0 ? cell : printable(cell))));
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  return cells.map((row) => {
    const last = row.length - 1;
    return `  ${row.map((cell, column) => (column === last || column === 0 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ')}`;
  });
}
