import { constants } from 'node:os';
import { z } from 'zod';

const signal = z.string().refine((name) => Object.hasOwn(constants.signals, name), 'there is no such signal');

/** The section `[plugin service]`. Durations are in milliseconds. */
export const options = z
  .strictObject({
    command: z
      .union([z.string(), z.array(z.string())])
      .transform((line, issues) => {
        const words = typeof line === 'string' ? wordsOf(line) : line;
        if (words?.[0] !== undefined && words[0] !== '') return words;
        issues.addIssue(words === null ? 'a quote is not closed' : 'there is no program in it');
        return z.NEVER;
      })
      .optional()
      .describe('What to run; it stays in the foreground. Words in a line, or a list of them; no shell.'),
    unit: z
      .string()
      .regex(/^[\w@.:\\-]+$/, 'not the name of a unit')
      .optional()
      .describe('Instead: a systemd unit.'),
    startAt: z
      .enum(['startServers', 'artifactUpdated'])
      .default('startServers')
      .describe('When it starts: as soon as it can, or when its files are in place.'),
    reload: z
      .string()
      .refine((how) => !how.startsWith('SIG') || signal.safeParse(how).success, 'there is no such signal')
      .refine((how) => (wordsOf(how)?.length ?? 0) > 0, 'not a command line')
      .optional()
      .describe('On an update: `restart`, `none`, a signal such as `SIGHUP`, or a command line.'),
    stopSignal: signal.default('SIGTERM').describe('Asks a command to end; a unit has its own.'),
    graceMs: z.int().min(0).default(10_000).describe('From that signal to KILL for all that is left.'),
    settleMs: z.int().min(0).default(500).describe('A command that ends sooner has not started.'),
    restartMs: z.int().min(1).default(1_000).describe('Before it is started again when it died; doubles up to 30 s.'),
    steadyMs: z.int().min(0).default(60_000).describe('Having run this long, it is well again.'),
    ports: z
      .array(z.int().min(1).max(65_535))
      .default([])
      .describe('Whose connections are waited for before it stops.'),
    drainMs: z.int().min(0).default(60_000).describe('How long they are waited for.'),
    cwd: z.string().optional().describe('Where a command works.'),
    output: z.string().optional().describe('The file a command writes stdout and stderr to; without it, nowhere.'),
    runDir: z
      .string()
      .optional()
      .describe('Where it is noted which process it is; without it, a folder of its own below /run or /tmp.'),
  })
  .refine(({ command, unit }) => (command === undefined) !== (unit === undefined), 'needs a command or a unit');

export type ServiceOptions = z.output<typeof options>;

/** As a shell splits them, without anything else a shell does. Null: a quote is not closed. */
export function wordsOf(line: string): string[] | null {
  const word = /(?:[^\s"']|"[^"]*"|'[^']*')+/g;
  if (line.replaceAll(word, '').trim() !== '') return null;
  const words = line.match(word) ?? [];
  return words.map((text) => text.replaceAll(/"([^"]*)"|'([^']*)'/g, '$1$2'));
}
