import { rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import '../support/runtime.ts';
import { measureArtifacts } from './artifacts.ts';
import { measureBig } from './big.ts';
import { temporaryDisk } from './disk.ts';
import { measureIdle } from './idle.ts';
import { measureCore, measureIncrements } from './increments.ts';
import { measureJournal } from './journal.ts';
import { measureFirstStart, measureLife } from './life.ts';
import type { MeasureName, Note } from './measures.ts';
import { measurePlugins } from './plugins.ts';
import { resultsOf, tableOf } from './report.ts';
import { brokerKind, home } from './stage.ts';
import { measureThrift } from './thrift.ts';

type Scenario = (note: Note, signal: AbortSignal) => Promise<void>;

const scenarios: Readonly<Record<string, { readonly once?: true; readonly run: Scenario }>> = {
  first: { run: measureFirstStart },
  life: { run: measureLife },
  thrift: { run: measureThrift },
  journal: { run: measureJournal },
  plugins: { run: measurePlugins },
  artifacts: { run: measureArtifacts },
  increments: { run: measureIncrements },
  core: { run: measureCore },
  big: { run: measureBig },
  // A minute each: the figure is a sum over the minute already.
  idle: { run: measureIdle, once: true },
};

const usage = `usage: npm run bench -- [--runs N] [--only ${Object.keys(scenarios).join('|')}] [--json] [--out FILE]\n`;

const asked = readArguments(process.argv.slice(2));
if (asked === null) process.stderr.write(usage);
process.exitCode = asked === null ? 2 : await bench(asked);

/** Speed and size of the agent, as a process from source, over a real broker. Reports; judges nothing by its exit code. */
async function bench({ runs, only, json, out }: NonNullable<typeof asked>): Promise<number> {
  const stopping = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopping.abort(new Error(name)));
  const [startedAt, sinceMs, loadBefore] = [new Date(), performance.now(), loadavg()[0] ?? 0];
  const values = new Map<MeasureName, number[]>();
  const failures: { scenario: string; reason: string }[] = [];

  for (const [name, { run, once }] of Object.entries(scenarios)) {
    if (only.length > 0 && !only.includes(name)) continue;
    for (let nth = 1; nth <= (once ? 1 : runs) && !stopping.signal.aborted; nth += 1) {
      process.stderr.write(`${name} ${nth} of ${once ? 1 : runs}\n`);
      const note: Note = (measure, value) => {
        values.set(measure, [...(values.get(measure) ?? []), Math.round(value * 1000) / 1000]);
      };
      // One that fails is reported; what the others say is as true as before.
      await run(note, stopping.signal).catch((thrown) => failures.push({ scenario: name, reason: String(thrown) }));
    }
  }

  await rm(home, { recursive: true, force: true });
  const results = resultsOf(values);
  const report = {
    schema: 'cartridge-agent.bench/1',
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(performance.now() - sinceMs),
    machine: { node: process.version, cpu: cpus()[0]?.model ?? null, cores: cpus().length, loadBefore },
    broker: brokerKind,
    disk: temporaryDisk(),
    results,
    failures,
  };
  const text = `${JSON.stringify(report, null, 2)}\n`;
  if (out !== undefined) await writeFile(out, text);
  process.stdout.write(json ? text : `\n${headline(report)}\n${tableOf(results)}`);
  for (const { scenario, reason } of failures) process.stderr.write(`${scenario} failed: ${reason}\n`);
  return failures.length === 0 ? 0 : 1;
}

function headline(report: {
  machine: { node: string; cores: number; loadBefore: number };
  durationMs: number;
  disk: ReturnType<typeof temporaryDisk>;
}): string {
  const { node, cores, loadBefore } = report.machine;
  const broker = brokerKind === 'mosquitto' ? 'Mosquitto' : 'embedded broker, in the process of the platform';
  const noisy = loadBefore > cores / 4 ? ': others were at work, the numbers are noisy' : '';
  const { fileSystem, isMemory } = report.disk;
  const disk = `journals on ${fileSystem}${isMemory ? ', in memory: a real disk is slower' : ''}`;
  const seconds = Math.round(report.durationMs / 1000);
  return `Node ${node}, ${cores} cores, ${broker}, ${disk}, ${seconds} s; load before ${loadBefore.toFixed(2)}${noisy}; MB = 2^20 bytes\n`;
}

function readArguments(args: string[]) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        runs: { type: 'string', default: '5' },
        only: { type: 'string', multiple: true, default: [] },
        json: { type: 'boolean', default: false },
        out: { type: 'string' },
      },
    });
    const runs = Number(values.runs);
    const isKnown = values.only.every((name) => Object.hasOwn(scenarios, name));
    return Number.isSafeInteger(runs) && runs > 0 && isKnown ? { ...values, runs } : null;
  } catch {
    // A misspelt option: the usage says how.
    return null;
  }
}
