import { sampleDocument } from '../../../plugins/contract.ts';

/** One file of a new folder. */
export type NewFile = { readonly path: string; readonly text: string; readonly isExecutable?: boolean };

const index = (name: string) => `import { definePlugin } from 'cartridge-agent/plugin';
import { z } from 'zod';

export default definePlugin({
  name: '${name}',
  contract: 1,
  version: '0.1.0',
  options: z.strictObject({
    unit: z.string().default('apache2').describe('systemd unit of the web server'),
  }),
  hooks: {
    // Files are in place: the gate is open when this returns nothing, and closed with { veto } or, for a while, { hold }.
    artifactUpdated: async ({ options, exec, status }, { changedPaths }) => {
      status(\`reloading \${options.unit}, \${changedPaths.length} files changed\`);
      const reload = await exec('systemctl', ['reload-or-restart', options.unit]);
      if (reload.exitCode !== 0) return { veto: reload.stderr.trim() };
    },

    // The instance is about to leave: asked again every second until nobody is connected any more.
    drain: async ({ exec }) => {
      const { stdout } = await exec('ss', ['-Htn', 'state', 'established', 'sport = :80']);
      const open = stdout.split('\\n').filter(Boolean).length;
      if (open > 0) return { hold: \`\${open} connections open\`, retryAfterMs: 1_000 };
    },
  },
});
`;

const test = (name: string) => `import assert from 'node:assert/strict';
import test from 'node:test';
import { createPluginHarness } from 'cartridge-agent/plugin/testing';
import plugin from './index.ts';

test('reloads the web server when files have changed', async () => {
  const { fire } = createPluginHarness(plugin, { options: { unit: 'nginx' } });

  const { verdict, status, calls } = await fire('artifactUpdated', { changedPaths: ['index.php'] });

  assert.deepEqual(verdict, { kind: 'done' });
  assert.deepEqual(status, ['reloading nginx, 1 files changed']);
  assert.deepEqual(calls, [{ command: 'systemctl', args: ['reload-or-restart', 'nginx'] }]);
});

test('does not let the instance go on without its web server', async () => {
  const exec = () => ({ exitCode: 1, stderr: 'Unit apache2.service not found.\\n' });
  const { fire } = createPluginHarness(plugin, { exec });

  const { verdict } = await fire('artifactUpdated');

  assert.deepEqual(verdict, { kind: 'veto', reason: 'Unit apache2.service not found.' });
});

test('waits while somebody is connected', async () => {
  const answers = ['one\\ntwo\\n', ''];
  const { fire } = createPluginHarness(plugin, { exec: () => ({ stdout: answers.shift() ?? '' }) });

  const first = await fire('drain');
  const second = await fire('drain', {}, { attempt: 2 });

  assert.deepEqual(first.verdict, { kind: 'hold', reason: '2 connections open', retryAfterMs: 1_000 });
  assert.deepEqual(second.verdict, { kind: 'done' });
});

test('is called ${name}', () => {
  assert.equal(plugin.name, '${name}');
});
`;

/** For editors, and whoever has a compiler: Node itself only strips the types. */
const tsconfig = {
  compilerOptions: {
    ...{ target: 'esnext', lib: ['esnext'], types: ['node'], module: 'nodenext' },
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    ...{ erasableSyntaxOnly: true, verbatimModuleSyntax: true, allowImportingTsExtensions: true },
    ...{ noEmit: true, skipLibCheck: true },
  },
};

/** What every new folder has: no dependency, so that nothing has to be installed. */
export function packageJson(name: string, more: object, scripts: Readonly<Record<string, string>>): NewFile {
  const text = json({ name, version: '0.1.0', private: true, ...more, scripts });
  return { path: 'package.json', text };
}

export const gitignore: NewFile = { path: '.gitignore', text: 'node_modules/\n' };

/** A plugin in TypeScript, with its test, and a sample to be changed. */
export async function pluginFiles(name: string): Promise<NewFile[]> {
  const scripts = { test: 'cartridge-agent plugin test', check: 'cartridge-agent plugin check .' };
  return [
    packageJson(name, { type: 'module', exports: './index.ts' }, scripts),
    { path: 'index.ts', text: index(name) },
    { path: 'index.test.ts', text: test(name) },
    { path: 'samples/artifactUpdated.json', text: json(await sampleDocument('artifactUpdated')) },
    { path: 'tsconfig.json', text: json(tsconfig) },
    gitignore,
  ];
}

/** As people write it. */
export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
