import { expect, expectTypeOf, test as plain } from 'vitest';
import { definePlugin, type HookInput, type HookInputs, type Plugin } from '../plugins/contract.ts';
import type { Member } from '../state/messages/member.ts';
import { test } from './support/author-folder.ts';

/** One mistake each, in the line that ends with `// here`. */
const mistakes: readonly { summary: string; plugin: string; says: RegExp }[] = [
  {
    summary: 'a veto returned from a notice',
    plugin: `name: 'x', contract: 1, hooks: {
      memberActivated: async () => { // here
        return { veto: 'no' };
      },
    },`,
    says: /veto/,
  },
  {
    summary: 'a veto returned from a notice that does not wait',
    plugin: `name: 'x', contract: 1, hooks: {
      instanceActivated: () => ({ veto: 'no' }), // here
    },`,
    says: /veto/,
  },
  {
    summary: 'a hold returned from a notice with a limit',
    plugin: `name: 'x', contract: 1, hooks: {
      artifactDrifted: { timeoutMs: 1_000, run: async () => ({ hold: 'later' }) }, // here
    },`,
    says: /hold/,
  },
  {
    summary: 'a misspelt hook',
    plugin: `name: 'x', contract: 1, hooks: {
      artifactUpdatd: async () => {}, // here
    },`,
    says: /artifactUpdatd.*artifactUpdated/,
  },
  {
    summary: 'a misspelt verdict',
    plugin: `name: 'x', contract: 1, hooks: {
      drain: async () => ({ holdd: 'later' }), // here
    },`,
    says: /holdd/,
  },
  {
    summary: 'a delay as executables say it',
    plugin: `name: 'x', contract: 1, hooks: {
      drain: async () => ({ hold: 'later', retryAfter: 3 }), // here
    },`,
    says: /retryAfter/,
  },
  {
    summary: 'a veto and a hold at once',
    plugin: `name: 'x', contract: 1, hooks: {
      drain: async () => ({ veto: 'no', hold: 'later' }), // here
    },`,
    says: /Verdict|veto/,
  },
  {
    summary: 'a reason that is not text',
    plugin: `name: 'x', contract: 1, hooks: {
      clean: async () => ({ veto: 7 }), // here
    },`,
    says: /number/,
  },
  {
    summary: 'options that are not a schema',
    plugin: `name: 'x', contract: 1,
      options: { unit: 'apache2' }, // here
    `,
    says: /options|unit/,
  },
  {
    summary: 'an option used as another type than the schema gives it',
    plugin: `name: 'x', contract: 1, options: z.strictObject({ port: z.coerce.number() }), hooks: {
      clean: async ({ options }) => {
        options.port.trim(); // here
      },
    },`,
    says: /trim/,
  },
  {
    summary: 'an option that is not in the schema',
    plugin: `name: 'x', contract: 1, options: z.strictObject({ unit: z.string() }), hooks: {
      clean: async ({ options, log }) => {
        log.info(options.unti); // here
      },
    },`,
    says: /unti/,
  },
  {
    summary: 'options where there is no schema',
    plugin: `name: 'x', contract: 1, hooks: {
      clean: async ({ options, log }) => {
        log.info(options.unit); // here
      },
    },`,
    says: /unit/,
  },
  { summary: 'no contract number', plugin: `name: 'x', // here`, says: /contract/ },
  {
    summary: 'another contract number',
    plugin: `name: 'x',
      contract: 2, // here
    `,
    says: /contract|2/,
  },
  {
    summary: 'a member that the context does not have',
    plugin: `name: 'x', contract: 1, hooks: {
      clean: async ({ agent }) => {}, // here
    },`,
    says: /agent/,
  },
  {
    summary: 'metadata, without asking whether it is there',
    plugin: `name: 'x', contract: 1, hooks: {
      clean: async ({ metadata }) => {
        await metadata.delete('key'); // here
      },
    },`,
    says: /undefined/,
  },
  {
    summary: 'what the input does not have',
    plugin: `name: 'x', contract: 1, hooks: {
      artifactUpdated: async ({ log }, input) => {
        log.info(input.paths); // here
      },
    },`,
    says: /paths/,
  },
  {
    summary: 'a document used without a look at it',
    plugin: `name: 'x', contract: 1, hooks: {
      completeTopology: async ({ log }, input) => {
        log.info(input.topology.serviceMap); // here
      },
    },`,
    says: /unknown/,
  },
  {
    summary: 'an input that is changed',
    plugin: `name: 'x', contract: 1, hooks: {
      artifactUpdated: async (_, input) => {
        input.changedPaths.push('more'); // here
      },
    },`,
    says: /push/,
  },
  {
    summary: 'a misspelt limit',
    plugin: `name: 'x', contract: 1, hooks: {
      drain: {
        timeoutMS: 1_000, // here
        run: async () => {},
      },
    },`,
    says: /timeoutMS/,
  },
  {
    summary: 'a health number that is text',
    plugin: `name: 'x', contract: 1,
      health: async () => ({ open: 'many' }), // here
    `,
    says: /string/,
  },
  {
    summary: 'a status from a health reader',
    plugin: `name: 'x', contract: 1,
      health: async ({ status }) => ({}), // here
    `,
    says: /status/,
  },
  {
    summary: 'half a checkout',
    plugin: `name: 'x', contract: 1,
      checkout: { fetch: async () => ({ newCommit: 'a' }) }, // here
    `,
    says: /place/,
  },
];

/** From plugins.md, word for word. */
const phpServer = `import { definePlugin } from 'cartridge-agent/plugin';
import { z } from 'zod';

export default definePlugin({
  name: 'php-server',
  contract: 1,
  options: z.strictObject({ unit: z.string().default('apache2').describe('systemd unit of the web server') }),
  hooks: {
    artifactUpdated: async ({ options, exec, status }, { changedPaths }) => {
      status(\`reloading \${options.unit}, \${changedPaths.length} files changed\`);
      const reload = await exec('systemctl', ['reload-or-restart', options.unit]);
      if (reload.exitCode !== 0) return { veto: reload.stderr.trim() };
    },
    drain: async ({ exec }) => {
      const { stdout } = await exec('ss', ['-Htn', 'state', 'established', 'sport = :80']);
      const open = stdout.split('\\n').filter(Boolean).length;
      if (open > 0) return { hold: \`\${open} connections open\`, retryAfterMs: 1_000 };
    },
  },
});
`;

const everything = `import { definePlugin, type HookFunction } from 'cartridge-agent/plugin';
import { z } from 'zod';

const save: HookFunction<'clean', { to: string }> = async ({ options, readSecret, metadata, signal }) => {
  signal.throwIfAborted();
  await metadata?.put('backup', options.to, { cluster: 'web' });
  return (await readSecret('TOKEN')) === null ? { veto: 'no token' } : undefined;
};

export default definePlugin({
  name: 'everything',
  contract: 1,
  version: '1.2.3',
  options: z.strictObject({ to: z.string() }).refine(({ to }) => to !== ''),
  hooks: {
    clean: { run: save, timeoutMs: 5_000, retries: 0, before: ['service'], after: ['10-warm'], mode: 'audit' },
    startServers: () => {},
    instanceActivating: async ({ extend, attempt }) => (attempt < 3 ? { hold: 'warming up' } : extend(1_000)),
    memberActivated: ({ log }, { member }) => log.info({ ips: member.privateIPs, first: member.ports[0]?.value }),
    completeTopology: async ({ instance }, { topology }) => {
      z.looseObject({ serviceMap: z.looseObject({ [instance.serviceName]: z.unknown() }) }).parse(topology);
    },
  },
  health: async ({ options }) => ({ open: options.to.length }),
  checkout: {
    fetch: async ({ exec }, { repoUrl, credential, oldCommit }) => {
      const { stdout } = await exec('fetch', [repoUrl], { input: credential?.password.reveal() ?? '' });
      return { newCommit: stdout || (oldCommit ?? 'none') };
    },
    place: async (_, { path, newCommit }) => console.log(path, newCommit),
  },
  commit: async () => null,
});
`;

test('what authors get wrong does not compile, what they get right does', { timeout: 60_000 }, async ({ folder }) => {
  await folder.write('php-server.ts', phpServer);
  await folder.write('everything.ts', everything);
  const imports = "import { definePlugin } from 'cartridge-agent/plugin';\nimport { z } from 'zod';\nvoid z;\n";
  for (const [index, { plugin }] of mistakes.entries()) {
    const define = plugin.includes('\n') ? `definePlugin({ ${plugin} })` : `definePlugin({ ${plugin}\n})`;
    await folder.write(`${index}.ts`, `${imports}export default ${define};\n`);
  }

  const complaints = await folder.compile();

  const found = mistakes.map(({ summary, says }, index) => {
    const own = complaints.filter(({ file }) => file === `${index}.ts`);
    return { summary, lines: own.map(({ line }) => line), isTold: own.some(({ text }) => says.test(text)) };
  });
  expect(found).toEqual(
    mistakes.map(({ summary, plugin }) => ({ summary, lines: [lineOfMistake(plugin)], isTold: true })),
  );
  const others = complaints.filter(({ file }) => !/^\d+\.ts$/.test(file));
  expect(others).toEqual([]);
});

function lineOfMistake(plugin: string): number {
  return 4 + plugin.split('\n').findIndex((line) => line.includes('// here'));
}

plain('the members of the model are what plugins are told', () => {
  expectTypeOf<Member>().toExtend<HookInput<'memberActivated'>['member']>();
});

plain('inside the agent documents are text, passwords are closed, all else is what plugins are told', () => {
  expectTypeOf<HookInputs['completeTenant']['tenants']>().toEqualTypeOf<string | Uint8Array>();
  expectTypeOf<HookInputs['drain']>().toEqualTypeOf<HookInput<'drain'>>();
  expectTypeOf<HookInputs['artifactDrifted']>().toEqualTypeOf<HookInput<'artifactDrifted'>>();
  expectTypeOf<HookInput<'completeTenant'>>().toEqualTypeOf<{ readonly tenants: unknown }>();
});

plain('every plugin is a Plugin, whatever its options', () => {
  const plugin = definePlugin({ name: 'x', contract: 1, hooks: { drain: async ({ options }) => void options } });

  expectTypeOf(plugin).toExtend<Plugin>();
});
