import { parseArgs } from 'node:util';
import { duration } from '../../../state/config/quantities.ts';
import { shownExactly } from '../../../state/status/duration.ts';
import { type Command, exitCodes } from '../command.ts';
import { printable, toHarmlessJson } from '../events/harmless.ts';
import { mayColour } from '../events/lines.ts';
import { checkExecutable } from './check-executable.ts';
import { checkPlugin } from './check-plugin.ts';
import type { Checked, Finding } from './finding.ts';
import { locate, sectionsIn } from './locate.ts';
import { oneWord, read } from './words.ts';

const words = {
  json: { type: 'boolean', default: false },
  option: { type: 'string', multiple: true, default: [] as string[] },
  conf: { type: 'string' },
  timeout: { type: 'string', default: '10s' },
} as const;

/** `plugin check PATH [--json] [--option KEY=VALUE]... [--conf FILE] [--timeout TIME]`: exit 1 if it is not as it should be. */
export const check: Command = async (args, { stdout, env, signal }) => {
  const { values, positionals } = parseArgs({ args: [...args], options: words, allowPositionals: true });
  const located = locate(oneWord(positionals, 'one PATH'));
  const limitMs = read('--timeout', values.timeout, duration('s'));
  const startedAt = performance.now();
  const checked =
    located.kind === 'executable'
      ? await checkExecutable(located)
      : await checkPlugin(located.path, {
          sections: sectionsIn(values),
          env,
          limitMs,
          signal,
        });
  const durationMs = Math.round(performance.now() - startedAt);
  const errors = checked.findings.filter(({ level }) => level === 'error').length;
  if (values.json) {
    const document = { schema: 'cartridge-agent.plugin-check/1', ...checked, ok: errors === 0, durationMs };
    stdout.write(`${toHarmlessJson(document)}\n`);
  } else {
    stdout.write(textOf(checked, { durationMs, colour: mayColour(stdout, env) }));
  }
  return errors === 0 ? exitCodes.done : exitCodes.gaveUp;
};

const marks = {
  ok: { glyph: '✓', colour: '32' },
  warning: { glyph: '!', colour: '33' },
  error: { glyph: '✗', colour: '31' },
} as const;

function textOf(
  { kind, name, version, path, findings }: Checked,
  print: { durationMs: number; colour: boolean },
): string {
  const title = kind === 'plugin' ? 'Plugin' : 'Executable';
  const head = `${title}  ${printable([name, ...(version === null ? [] : [version])].join(' '))}  ${printable(path)}`;
  const width = Math.max(...findings.map(({ about }) => about.length));
  const lines = findings.flatMap((finding) => linesOf(finding, width, print.colour));
  const counted = (level: Finding['level'], word: string) => {
    const count = findings.filter((finding) => finding.level === level).length;
    return `${count} ${word}${count === 1 ? '' : 's'}`;
  };
  const sum = `${counted('error', 'error')}, ${counted('warning', 'warning')} in ${shownExactly(print.durationMs)}`;
  return `${[head, ...lines, sum].join('\n')}\n`;
}

function linesOf({ level, about, text, remedy, durationMs }: Finding, width: number, colour: boolean): string[] {
  const { glyph, colour: code } = marks[level];
  const mark = colour ? `\u001b[${code}m${glyph}\u001b[0m` : glyph;
  const took = durationMs === null ? '' : `  ${shownExactly(durationMs)}`;
  const first = `  ${mark} ${about.padEnd(width)}  ${printable(text)}${took}`.trimEnd();
  return remedy === null ? [first] : [first, `    ${' '.repeat(width)}  ${printable(remedy)}`];
}
