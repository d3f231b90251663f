import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { exitCodes } from '../agent/commands/command.ts';
import { loadConfig } from '../agent/config.ts';
import packageJson from '../package.json' with { type: 'json' };
import { keyNameOf, keys } from '../state/config/keys.ts';

// What needs no tools of its own; conf/README.md says what else was checked, and how.
const installed = '/opt/cartridge-agent';
const confFile = '/etc/cartridge-agent/agent.conf';
const root = resolve(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const unit = read('conf/systemd/cartridge-agent.service');
const userData = read('conf/cloud-init/user-data.yaml');
const manifest = read('conf/puppet/cartridge_agent/manifests/init.pp');
const template = read('conf/puppet/cartridge_agent/templates/agent.conf.epp');
const dockerfile = read('Dockerfile');
const entrypoint = join(root, 'conf/docker/entrypoint.sh');

test('the unit says when the agent is started again, and that its end is not the end of the services', () => {
  expect(settingsOf(unit)).toMatchObject({
    Restart: 'on-failure',
    RestartPreventExitStatus: String(exitCodes.configuration),
    StartLimitIntervalSec: '0',
    KillMode: 'process',
    OOMPolicy: 'continue',
    StateDirectoryMode: '0700',
  });
  expect(`/var/lib/${settingsOf(unit)['StateDirectory']}`).toBe(keys['state.dir'].fallback);
});

test('the unit lays nothing on the services that hooks start', () => {
  const inherited =
    /^(Private|Protect|Restrict|SystemCall|Capability|Ambient|NoNew|ReadOnly|Inaccessible|UMask|Memory|CPU|OOMScore)/;

  expect(Object.keys(settingsOf(unit)).filter((name) => inherited.test(name))).toEqual([]);
});

test('what the unit starts runs, and ends with the code that keeps systemd from trying again', () => {
  const folder = temporaryFolder();
  const { ExecStart = '' } = settingsOf(unit);
  const [node = '', ...args] = ExecStart.replaceAll(installed, root)
    .replace(confFile, join(folder, 'agent.conf'))
    .split(' ');
  writeFileSync(join(folder, 'agent.conf'), '[agent]\nmb.urls = 127.0.0.1:1\n');

  const { status, stderr } = spawnSync(node, args, { encoding: 'utf8' });

  expect(String(status)).toBe(settingsOf(unit)['RestartPreventExitStatus']);
  expect(stderr).toContain(join(folder, 'payload/launch-params'));
});

test('the cloud-init example writes a configuration that the agent takes', () => {
  const folder = temporaryFolder();
  const files = filesOf(userData);
  mkdirSync(join(folder, 'payload'));
  for (const { path, content } of files) writeFileSync(path.replace(dirname(confFile), folder), content);

  const { config, warnings } = loadConfig({ confFile: join(folder, 'agent.conf') });

  expect(userData).toMatch(/^#cloud-config\n/);
  expect(files.map(({ permissions }) => permissions)).toEqual(['0600', '0600', '0600']);
  expect(config.instance).toMatchObject({ serviceName: 'php', memberId: 'shop-app.web.php.domain1c2f6d0e' });
  expect(config.broker.password?.reveal()).toBe('change-me');
  expect(warnings).toEqual([]);
});

test.for([
  ['the cloud-init example', userData],
  ['the Puppet module', manifest.replace(/\$\{install_dir\}/g, installed)],
  ['the Dockerfile', dockerfile],
])('%s names only files of ours that are there', ([, text]) => {
  const paths = [...(text ?? '').matchAll(/\/opt\/cartridge-agent\/(conf\/[\w./-]+\w)/g)].map(([, path = '']) => path);

  expect(paths).not.toEqual([]);
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test.for([
  ['the Puppet template', template],
  ['the container', read('conf/docker/container.conf')],
  ['the entry script', readFileSync(entrypoint, 'utf8').replace(/^ *printf '(.*)\\n'.*$/gm, '$1')],
])('every key that %s writes is one of agent.conf', ([, text]) => {
  const written = [...(text ?? '').matchAll(/^([a-z][\w.]+) = /gm)].map(([, name = '']) => name);

  expect(written).not.toEqual([]);
  expect(written.filter((name) => keyNameOf(name) === null)).toEqual([]);
});

test('the Puppet class gives its template what it declares', () => {
  const [head = ''] = template.split('-%>');
  const declared = [...head.matchAll(/\$(\w+)/g)].map(([, name]) => name);

  const given = [...manifest.matchAll(/^ +'(\w+)' +=> \$/gm)].map(([, name]) => name);

  expect(given.toSorted()).toEqual(declared.toSorted());
  expect(JSON.parse(read('conf/puppet/cartridge_agent/metadata.json'))).toHaveProperty('name');
});

test.for([
  ['the cloud-init example', /^ {2}- \[ln, -sf, (\S+), \/usr\/local\/bin\/cartridge-agent\]$/m, userData],
  [
    'the Puppet module',
    /'\/usr\/local\/bin\/cartridge-agent':\n +ensure => link,\n +target => "\$\{install_dir\}(\S+)",\n/,
    manifest,
  ],
  ['the Dockerfile', /^RUN ln -s (\S+) \/usr\/local\/bin\/cartridge-agent$/m, dockerfile],
] as const)('%s puts the command on the PATH', ([, line, text]) => {
  const [, target = ''] = line.exec(text) ?? [];

  expect(target.replace(installed, '')).toBe('/conf/cartridge-agent');
});

test('the command runs the agent it is in, through links and from anywhere', () => {
  const folder = temporaryFolder();
  symlinkSync(join(root, 'conf'), join(folder, 'conf'));
  mkdirSync(join(folder, 'a b'));
  symlinkSync('../conf/cartridge-agent', join(folder, 'a b/agent'));
  symlinkSync('a b/agent', join(folder, 'cartridge-agent'));

  // Without a Node on the PATH: the one that came with it.
  const { status, stdout, stderr } = spawnSync('cartridge-agent', ['--version'], {
    cwd: '/',
    encoding: 'utf8',
    env: { PATH: `${folder}:/usr/bin:/bin`, HOME: folder },
  });

  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${packageJson.version}\n`, stderr: '' });
});

test('the command takes the Node of the machine where none came with it', () => {
  const folder = temporaryFolder();
  for (const name of ['conf', 'agent', 'bin']) mkdirSync(join(folder, name));
  copyFileSync(join(root, 'conf/cartridge-agent'), join(folder, 'conf/cartridge-agent'));
  writeFileSync(join(folder, 'agent/main.ts'), 'process.stdout.write(process.argv.slice(2).join("|"));\n');
  symlinkSync(process.execPath, join(folder, 'bin/node'));

  const { status, stdout } = spawnSync(join(folder, 'conf/cartridge-agent'), ['a b', ''], {
    encoding: 'utf8',
    env: { PATH: `${folder}/bin:/usr/bin:/bin` },
  });

  expect({ status, stdout }).toEqual({ status: 0, stdout: 'a b|' });
});

test('a package of it holds what runs, and no test', () => {
  const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json'], { cwd: root, encoding: 'utf8' });

  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string; mode: number }[] }];
  const folders = new Set(files.map(({ path }) => path.split('/')[0]));
  expect([...folders].sort()).toEqual([...packageJson.files, 'package.json'].sort());
  expect(files).toContainEqual(expect.objectContaining({ path: 'conf/cartridge-agent', mode: 0o755 }));
  expect(files.filter(({ path }) => /\.test\.ts$/.test(path))).toEqual([]);
});

test('the image is built from files that are there and sent, and does not run as root', () => {
  const sent = read('.dockerignore').match(/(?<=^!).+$/gm) ?? [];
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, from = '']) => from.split(' '));

  expect(copied.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  expect(copied.filter((path) => !sent.some((allowed) => path === allowed || path.startsWith(`${allowed}/`)))).toEqual(
    [],
  );
  expect(dockerfile.match(/^USER .+$/gm)).toEqual(['USER 10001:10001']);
  expect(statSync(entrypoint).mode & 0o111).toBe(0o111);
});

/** The settings of a unit; the last one of a name counts. */
function settingsOf(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]));
}

/** `write_files` of a cloud-config, as the example spells them: each content is a block. */
function filesOf(text: string): { path: string; permissions: string; content: string }[] {
  const file = /^ {2}- path: (\S+)\n {4}permissions: '(\d+)'\n {4}content: \|\n((?: {6}.*\n)+)/gm;
  return [...text.matchAll(file)].map(([, path = '', permissions = '', block = '']) => {
    return { path, permissions, content: block.replace(/^ {6}/gm, '') };
  });
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'installers-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}
