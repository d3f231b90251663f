import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished } from 'vitest';
import { History } from '../state/history/history.ts';
import { historyText } from '../state/history/text.ts';
import type { Provenance } from '../state/provenance.ts';
import { type StateDir, journalTest as test } from './support/journal.ts';
import { artifact, provenance } from './support/provenance.ts';

const first = '81aa0e1000000000000000000000000000000000';
const second = '3f9c2ab000000000000000000000000000000000';
const third = 'c0ffee0000000000000000000000000000000000';

/** What happened to a shop in a day. */
const day: readonly Partial<Provenance>[] = [
  {
    at: '2026-03-04T09:41:00.000Z',
    commit: first,
    oldCommit: null,
    changedFiles: 1,
    subject: 'Begin',
    trigger: 'event',
  },
  { at: '2026-03-04T09:52:11.040Z', signedBy: 'ann@example.org' },
  { at: '2026-03-04T11:40:02Z', what: 'drifted', oldCommit: null, paths: ['config.php'], changedFiles: 1 },
  { at: '2026-03-04T12:00:00Z', commit: third, oldCommit: second, changedFiles: 12, subject: 'Break it' },
  { at: '2026-03-04T12:00:09Z', what: 'rolledBack', oldCommit: third, reason: 'port 80 did not come back' },
  { at: '2026-03-04T13:00:00Z', what: 'removed', oldCommit: null, fingerprint: null },
];

describe('the text of a history', () => {
  test('is one line for each record: when, what, which commit, and how to recognise it', () => {
    const text = historyText(day.map(provenance), { colour: false });

    expect(text.split('\n')).toEqual([
      '2026-03-04 09:41:00Z  81aa0e1  running, the first commit, 1 file  "Begin"  fingerprint tree:9f1c04be77d1',
      '2026-03-04 09:52:11Z  3f9c2ab  running, 2 files changed since 81aa0e1  "Fix login"  signed by ann@example.org  ' +
        'fingerprint tree:9f1c04be77d1',
      '2026-03-04 11:40:02Z  3f9c2ab  drifted: config.php  fingerprint tree:9f1c04be77d1',
      '2026-03-04 12:00:00Z  c0ffee0  running, 12 files changed since 3f9c2ab  "Break it"  fingerprint tree:9f1c04be77d1',
      '2026-03-04 12:00:09Z  3f9c2ab  rolled back from c0ffee0: port 80 did not come back  "Fix login"  ' +
        'fingerprint tree:9f1c04be77d1',
      '2026-03-04 13:00:00Z  3f9c2ab  removed',
      '',
    ]);
  });

  test.for([
    {
      summary: 'many files',
      record: { what: 'drifted', paths: [...'abcdefgh'], changedFiles: 90 },
      says: 'drifted: a, b, c, d, e and 85 more',
    },
    {
      summary: 'files of an unknown number',
      record: { what: 'drifted', paths: [], changedFiles: null },
      says: 'drifted: files unknown',
    },
    { summary: 'restored files', record: { what: 'restored', paths: ['a'], changedFiles: 1 }, says: 'restored: a  f' },
    {
      summary: 'local changes',
      record: { what: 'committed', paths: ['a'], changedFiles: 3 },
      says: 'local changes committed: a and 2 more',
    },
    { summary: 'an older version', record: { changedFiles: null }, says: 'running, before it 81aa0e1' },
    { summary: 'no reason', record: { what: 'rolledBack', oldCommit: null }, says: 'rolled back: reason unknown' },
  ] satisfies { summary: string; record: Partial<Provenance>; says: string }[])(
    'names $summary',
    ({ record, says }) => {
      expect(historyText([provenance(record)], { colour: false })).toContain(says);
    },
  );

  test('names tenants where there are several', () => {
    const one = provenance({ tenantId: '5' });

    expect(historyText([one, one], { colour: false })).not.toContain('tenant 5');
    expect(historyText([one, provenance()], { colour: false })).toContain('Z  tenant 5  3f9c2ab');
  });
});

describe('the command', () => {
  test('prints what ran here while the agent runs, and when it does not', async ({ stateDir }) => {
    const journal = write(stateDir);
    const up = await run(['--state-dir', stateDir.path]);
    journal.close();
    await writeFile(stateDir.journalPath, '{"half', { flag: 'a' });

    const down = await run(['--state-dir', stateDir.path]);

    expect(up).toEqual({ code: 0, stdout: historyText(day.map(provenance), { colour: false }), stderr: '' });
    expect(down).toEqual(up);
  });

  test('prints what concerns one commit: when it came, what became of it, what took its place', async ({
    stateDir,
  }) => {
    write(stateDir, [...day, { tenantId: '2', commit: 'bad0000000000000000000000000000000000000', oldCommit: null }]);

    const { code, stdout } = await run(['C0FFEE', '--state-dir', stateDir.path]);
    const json = await run(['c0ffee', '--state-dir', stateDir.path, '--json']);

    expect(code).toBe(0);
    expect(stdout.match(/^2026.*?Z {2}\w+ {2}\w+/gm)).toEqual([
      '2026-03-04 12:00:00Z  c0ffee0  running',
      '2026-03-04 12:00:09Z  3f9c2ab  rolled',
    ]);
    expect(History.parse(JSON.parse(json.stdout)).records.map(({ what }) => what)).toEqual(['placed', 'rolledBack']);
  });

  test('prints what concerns one tenant, the super tenant too', async ({ stateDir }) => {
    write(stateDir, [
      { tenantId: '-1234', subject: 'super' },
      { tenantId: '5', subject: 'five' },
    ]);

    const [five, superTenant, none] = await Promise.all([
      run(['--tenant', '5', '--state-dir', stateDir.path]),
      run(['--tenant', '-1234', '--state-dir', stateDir.path]),
      run(['--tenant', '6', '--state-dir', stateDir.path]),
    ]);

    expect(five.stdout).toMatch(/^.*"five".*\n$/);
    expect(superTenant.stdout).toMatch(/^.*"super".*\n$/);
    expect(none).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('of tenant 6') });
  });

  test('with a commit that never ran here ends with 1, and says so', async ({ stateDir }) => {
    write(stateDir);

    const text = await run(['beef', '--state-dir', stateDir.path]);
    const json = await run(['beef', '--state-dir', stateDir.path, '--json']);

    const stderr = 'no commit beef has run here, as far as the journal goes back\n';
    expect(text).toEqual({ code: 1, stdout: '', stderr });
    expect(json).toMatchObject({ code: 1, stderr });
    expect(JSON.parse(json.stdout)).toMatchObject({ schema: 'cartridge-agent.history/1', records: [] });
  });

  test('tells programs everything there is, in full', async ({ stateDir }) => {
    write(stateDir);

    const { stdout } = await run(['--json', '--state-dir', stateDir.path]);

    const told = History.parse(JSON.parse(stdout));
    expect(stdout.trimEnd()).not.toContain('\n');
    expect(told).toMatchObject({ memberId: 'php-1.php.domain', problems: [] });
    expect(told.records).toEqual(day.map(provenance));
    expect(JSON.parse(stdout).at).toMatch(/^\d{4}-.*Z$/);
  });

  test('of an instance that never had an artifact is empty, and no failure', async ({ stateDir }) => {
    stateDir.open();

    const { code, stdout, stderr } = await run(['--state-dir', stateDir.path]);

    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toBe('no artifact has been put in place here, as far as the journal goes back\n');
  });

  test('shows neither passwords nor what moves the cursor, whoever wrote it there', async ({ stateDir }) => {
    const hostile = '\u001b[31m\u202Eevil\nhttps://ann:s3cret@git.example.org/x';
    stateDir.open();
    await stateDir.write([
      { sequence: 1, at: new Date().toISOString(), kind: 'opened', memberId: 'php-1.php.domain' },
      {
        sequence: 2,
        at: new Date().toISOString(),
        kind: 'artifact',
        record: provenance({ subject: hostile, reason: hostile, repoUrl: hostile, what: 'rolledBack' }),
      },
    ]);

    const runs = await Promise.all([
      run(['--state-dir', stateDir.path]),
      run(['--state-dir', stateDir.path, '--json']),
    ]);

    for (const { code, stdout } of runs) {
      expect(code).toBe(0);
      expect(stdout).toContain('evil');
      expect(stdout).not.toMatch(/s3cret|[^\n\P{Cc}]|\p{Cf}/u);
      expect(stdout.split('\n')).toHaveLength(2);
    }
  });

  test('says what is wrong with a journal, and prints what is left of it', async ({ stateDir }) => {
    write(stateDir).close();
    const [opened = '', , ...rest] = stateDir.lines();
    await writeFile(stateDir.journalPath, `${[opened, '{"sequence":2,"kind":"artif', ...rest].join('\n')}\n`);

    const { code, stdout, stderr } = await run(['--state-dir', stateDir.path]);

    expect(code).toBe(0);
    expect(stdout.split('\n')).toHaveLength(day.length);
    expect(stderr).toBe('cannot use damaged lines\n');
  });

  test('reads of agent.conf where the state is, and colours only if told to', async ({ stateDir }) => {
    write(stateDir);
    const conf = join(stateDir.path, 'agent.conf');
    await writeFile(conf, `[agent]\nmisspelt = 1\nstate.dir = ${stateDir.path}\n`);

    const [off, on] = await Promise.all([run(['--conf', conf]), run(['--conf', conf], { FORCE_COLOR: '1' })]);

    const introducer = String.fromCharCode(27);
    expect([off, on].map(({ code, stdout }) => [code, stdout.includes(introducer)])).toEqual([
      [0, false],
      [0, true],
    ]);
  });

  test('without a journal that can be read ends with 69, and says what to do', async ({ stateDir }) => {
    await mkdir(stateDir.path, { recursive: true });
    const none = await run(['--state-dir', stateDir.path]);
    await rm(stateDir.journalPath, { force: true });
    await mkdir(stateDir.journalPath);
    const unreadable = await run(['--state-dir', stateDir.path]);

    for (const { code, stdout, stderr } of [none, unreadable]) {
      expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
      expect(stderr).toMatch(/^cannot tell what ran here: .*\n.*--state-dir.* \[HISTORY_NOTHING_KNOWN\]\n$/);
    }
  });

  test.for([
    { args: ['main'], says: 'digits of a commit' },
    { args: ['3f9'], says: 'digits of a commit' },
    { args: ['3f9c', '81aa'], says: '2 commits at once' },
    { args: ['--conf', 'a', '--state-dir', 'b'], says: 'together' },
    { args: ['--tenent', '5'], says: '--tenent' },
  ])('$args is a mistake of usage', async ({ args, says }) => {
    const { code, stdout, stderr } = await run(args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(says);
  });

  test('with a file that is not there ends with 78, and explains itself', async ({ stateDir }) => {
    const missing = await run(['--conf', join(stateDir.path, 'nothing.conf')]);
    const help = await run(['--help']);

    expect(missing).toMatchObject({ code: 78, stderr: expect.stringContaining('does not exist') });
    expect(help).toMatchObject({ code: 0, stdout: expect.stringMatching(/^usage: cartridge-agent history /) });
  });
});

function write(stateDir: StateDir, records = day): { close(): void } {
  const { journal } = stateDir.open();
  for (const record of records) journal.append(artifact(record));
  return journal;
}

/** As people run it, without a terminal. @param env - added to an environment without colours */
function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { FORCE_COLOR: _force, NO_COLOR: _no, ...inherited } = process.env;
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      ['agent/main.ts', 'history', ...args],
      { env: { ...inherited, ...env } },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
    onTestFinished(() => void child.kill('SIGKILL'));
  });
}
