import { join } from 'node:path';
import { type Author, test } from '../support/author.ts';
import { quiet } from '../support/config-folder.ts';
import { expect } from '../support/current-test.ts';
import { pluginText } from '../support/plugins.ts';

// `config check`, and whether `run` thinks the same: both as processes. What is wrong in the lines: config-import.test.ts.

type Conf = {
  readonly agent?: string;
  readonly sections?: string;
  /** What definePlugin gets besides name and contract, by name. */
  readonly plugins?: Readonly<Record<string, string>>;
};

const takesCheckout = 'checkout: { fetch: async () => null, place: async () => {} }';

test.concurrent.for<{ summary: string; conf: Conf; says: string }>([
  {
    summary: 'a section for a plugin that is not there',
    conf: { sections: '[plugin nobody]\n' },
    says: '[plugin nobody]: cannot find plugin nobody',
  },
  {
    summary: 'options that its plugin does not take',
    conf: {
      sections: '[plugin warm]\ncount = many\n',
      plugins: { warm: 'options: z.strictObject({ count: z.number() }), hooks: { drain() {} }' },
    },
    says: '[plugin warm]: cannot use plugin warm: count',
  },
  {
    summary: 'plugins that want to be before each other',
    conf: {
      plugins: {
        one: "hooks: { drain: { before: ['two'], run() {} } }",
        two: "hooks: { drain: { before: ['one'], run() {} } }",
      },
    },
    says: 'cannot order what is run for drain',
  },
  {
    summary: 'two plugins that take over checkout',
    conf: { plugins: { one: takesCheckout, two: takesCheckout } },
    says: 'cannot use more than one plugin taking over checkout: one, two',
  },
  {
    summary: 'a key that a plugin with checkout cannot keep',
    conf: { agent: 'artifact.layout = releases\n', plugins: { one: takesCheckout } },
    says: 'artifact.layout: cannot be kept: plugin one has taken over checkout from git',
  },
])('$summary: the agent does not start, and the check says why', async ({ conf, says }, { author }) => {
  await write(author, conf);

  const [checked, ran] = await Promise.all([
    author.agent(['config', 'check', '--conf', 'agent.conf']),
    author.agent(['run', '--conf', 'agent.conf']),
  ]);

  expect([checked.exitCode, ran.exitCode]).toEqual([78, 78]);
  expect(checked.stdout).toContain(`✗ ${join(author.home, 'agent.conf')}: `);
  expect(checked.stdout).toContain(says);
  expect(checked.stdout).toMatch(/^1 problem, 0 warnings in /m);
  expect(ran.stderr).toContain(says);
});

test.concurrent('a plugin without which the agent starts is a warning', async ({ author }) => {
  await write(author, {});
  await author.write('plugins/broken.ts', "throw new Error('not today');\n");

  const { exitCode, stdout } = await author.agent(['config', 'check', '--conf', 'agent.conf']);

  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining('0 problems, 1 warning in ') });
  expect(stdout).toMatch(/! .*plugins: cannot load plugin broken: .*not today/);
});

test.concurrent('a plugin that never ends to load is waited for no longer than at a start', async ({ author }) => {
  await write(author, {});
  await author.write('plugins/endless.ts', 'for (;;);\n');
  const startedAt = performance.now();

  const { exitCode, stdout } = await author.agent(['config', 'check', '--conf', 'agent.conf']);

  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining('cannot load plugin endless') });
  expect(performance.now() - startedAt).toBeLessThan(20_000);
});

async function write(author: Author, { agent = '', sections = '', plugins = {} }: Conf): Promise<void> {
  const places = 'mb.urls = 127.0.0.1:1\nparam.file.path = launch-params\nplugins.dir = plugins\nstate.dir = state\n';
  await author.write('agent.conf', `[agent]\n${places}extensions.dir = extensions\n${agent}${sections}`);
  await author.write('launch-params', quiet);
  for (const [name, body] of Object.entries(plugins)) {
    await author.write(`plugins/${name}.ts`, pluginText(name, body));
  }
}
