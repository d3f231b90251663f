import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { inspect } from 'node:util';
import { expect } from 'vitest';
import { describeConfig } from '../state/config/describe.ts';
import { formatProblems } from '../state/config/problems.ts';
import { errorOf, minimal, quiet, reportOf, test } from './support/config-folder.ts';

const template = `[agent]
mb.ip                                 =MB-IP
mb.port                               =MB-PORT
mb.urls                               =MB-URLS
mb.username                           =MB-USERNAME
mb.password                           =MB-PASSWORD
mb.publisher.timeout                  =MB-PUBLISHER-TIMEOUT
listen.address                        =LISTEN_ADDR
thrift.receiver.urls                  =CEP-IP:CEP-PORT
thrift.server.admin.username          =CEP-ADMIN-USERNAME
thrift.server.admin.password          =CEP-ADMIN-PASSWORD
cep.stats.publisher.enabled           =ENABLE_HEALTH_PUBLISHER
lb.private.ip                         =LB_PRIVATE_IP
lb.public.ip                          =LB_PUBLIC_IP
enable.artifact.update                =ENABLE_ARTFCT_UPDATE
auto.commit                           =COMMIT_ENABLED
auto.checkout                         =CHECKOUT_ENABLED
artifact.update.interval              =ARTFCT_UPDATE_INT
artifact.clone.retries                =ARTFCT_CLONE_RETRIES
artifact.clone.interval               =ARTFCT_CLONE_INT
port.check.timeout                    =PORT_CHECK_TIMEOUT
enable.data.publisher                 =ENABLE-DATA-PUBLISHER
monitoring.server.ip                  =MONITORING-SERVER-IP
monitoring.server.port                =MONITORING-SERVER-PORT
monitoring.server.secure.port         =MONITORING-SERVER-SECURE-PORT
monitoring.server.admin.username      =MONITORING-SERVER-ADMIN-USERNAME
monitoring.server.admin.password      =MONITORING-SERVER-ADMIN-PASSWORD
thrift.receiver.ip                    =CEP-URLS
log.file.paths                        =LOG_FILE_PATHS
APPLICATION_PATH                      =APPLICATION-PATH
metadata.service.url                  =METADATA-SERVICE-URL
super.tenant.repository.path          =/repository/deployment/server/
tenant.repository.path                =/repository/tenants/
enable.initial.artifact.backup        =ENABLE_INITIAL_ARTIFACT_BACKUP
`;

test('takes the template of the originals, in which nothing was replaced, as nothing set', ({ folder }) => {
  const load = () => folder.load({ conf: `\uFEFF${template.replaceAll('\n', '\r\n')}`, params: quiet });

  const report = reportOf(load, folder);
  expect(report).toMatch(
    /^cannot use the configuration: 1 problem\n\nagent.conf: mb.urls: not set; no broker is named\n/,
  );
  expect(report).toMatch(/\nwarnings:\n(.+\n)*agent.conf:\d+: mb.urls: MB-URLS is a placeholder that nobody replaced/);
  expect(report).toMatch(/then start the agent again\. \(CONFIG_INVALID\)\n$/);
});

test('takes each placeholder that is left as not set, with a warning', ({ folder }) => {
  const { config, warnings } = folder.load({ conf: template.replace('=MB-URLS', '=broker:1883'), params: quiet });

  expect(config.broker).toMatchObject({ servers: [{ host: 'broker', port: 1883 }], username: null, password: null });
  expect(config.artifacts).toMatchObject({ path: null, backup: false, updateEnabled: true, retries: 5 });
  expect(config.monitoring.logFiles).toEqual([]);
  expect(warnings.filter(({ wrong }) => wrong.includes('placeholder'))).toHaveLength(template.split('\n').length - 5);
  expect(warnings).toContainEqual({
    file: join(folder.path, 'agent.conf'),
    line: 29,
    key: 'log.file.paths',
    wrong: 'LOG_FILE_PATHS is a placeholder that nobody replaced; taken as not set',
    nearest: null,
    write: 'write a value, or delete the line',
  });
});

test('reports all problems at once, in the order of the lines', ({ folder }) => {
  const conf = `mb.urls = localhost:1883
[agent]
mb.ulrs = localhost:1883
mb.password secret-1
port.check.timeout = 10 minutes
APPLICATION_PATH = www
mb.tls = true # encrypted
  secret-2 = x

hook.timeout = 0
[agnet]
anything = goes
`;
  const others = { 'conf.d/a.conf': '[agent]\nlog.level = loud\n' };

  const report = reportOf(() => folder.load({ conf, params: 'SERVICE_NAME=s,MEMBER_ID=null', others }), folder);

  expect(report).toBe(`cannot use the configuration: 13 problems

agent.conf:1: the line stands before the first section
    write [agent] on a line above it
agent.conf:3: mb.ulrs: unknown key, did you mean mb.urls?
    write mb.urls = ..., or delete the line
agent.conf:4: not a "key = value" line
    write key = value, all of it in one line; a comment starts with #
agent.conf:5: port.check.timeout: "10 minutes" is not a time
    write a number of milliseconds, or with a unit, as in 500ms, 10s, 10m, 2h
agent.conf:6: APPLICATION_PATH: "www" is not an absolute path
    write an absolute path
agent.conf:7: mb.tls: "true # encrypted" is not true or false
    write true or false, and comments on lines of their own
agent.conf:8: unknown key (an indented line does not continue the one above)
    delete the line
agent.conf:10: hook.timeout: "0" is not within 1 ms to 24 days
    write a number of seconds, or with a unit, as in 500ms, 10s, 10m, 2h
agent.conf:11: unknown section
    write [agent], or [plugin NAME] for the options of a plugin
conf.d/a.conf:2: log.level: "loud" is not fatal, error, warn, info, debug or trace
    write fatal, error, warn, info, debug or trace
payload/launch-params: APPLICATION_ID: not set, and the agent cannot know who it is
    the platform writes it: see that this file is the payload of this instance, or set APPLICATION_ID in agent.conf
payload/launch-params: CLUSTER_ID: not set, and the agent cannot know who it is
    the platform writes it: see that this file is the payload of this instance, or set CLUSTER_ID in agent.conf
payload/launch-params: MEMBER_ID: not set, and the agent cannot know who it is
    the platform writes it: see that this file is the payload of this instance, or set MEMBER_ID in agent.conf

Correct what the report names, then start the agent again. (CONFIG_INVALID)
`);
});

test('says so when there is no agent.conf', ({ folder }) => {
  expect(reportOf(() => folder.load({ conf: null }), folder)).toBe(`cannot use the configuration: 1 problem

agent.conf: the file does not exist
    give the path of agent.conf with --conf FILE, or write one; conf/agent.conf has every key

Correct what the report names, then start the agent again. (CONFIG_INVALID)
`);
});

test.for([
  { summary: 'missing launch-params', files: { params: null }, wrong: ['the file does not exist'] },
  {
    summary: 'a large agent.conf',
    files: { conf: `${minimal}#${'x'.repeat(1024 ** 2)}` },
    wrong: [`the file is larger than 1 MB (${1024 ** 2 + minimal.length + 1} bytes)`],
  },
  {
    summary: 'large launch-params',
    files: { params: `${quiet},X=${'x'.repeat(1024 ** 2)}` },
    wrong: [expect.stringContaining('larger than 1 MB')],
  },
  {
    summary: 'a folder where a file of conf.d should be',
    files: { others: { 'conf.d/x.conf/y': '' } },
    wrong: ['the file is not a regular file'],
  },
  {
    summary: 'missing, empty and binary files named by keys',
    files: {
      conf: `${minimal}mb.tls = true\nmb.tls.ca = no.pem\nmb.username = u\nmb.password.file = empty\n`,
      others: { empty: '\n' },
    },
    wrong: [expect.stringMatching(/no\.pem does not exist$/), expect.stringMatching(/empty is empty$/)],
  },
])('refuses $summary', ({ files, wrong }, { folder }) => {
  const { problems } = errorOf(() => folder.load(files));

  expect(problems.map((problem) => problem.wrong)).toEqual(wrong);
});

test('warns of a file that is to say whom to trust, and has no certificate', ({ folder }) => {
  const conf = `${minimal}mb.tls = true\nmb.tls.ca = ca.pem\nthrift.tls.ca = gone.pem\n`;

  const { warnings } = folder.load({ conf, others: { 'ca.pem': 'not one\n', 'gone.pem': rootCertificates[0] ?? '' } });

  expect(warnings).toMatchObject([{ key: 'mb.tls.ca', line: 4, wrong: expect.stringContaining('no certificate') }]);
});

test('refuses an agent.conf that is not UTF-8, whose password would otherwise be another one', ({ folder }) => {
  writeFileSync(join(folder.path, 'agent.conf'), Buffer.from(`${minimal}mb.password = p\xe4ss\n`, 'latin1'));

  expect(errorOf(() => folder.load({ conf: null })).problems[0]?.wrong).toBe('the file is not UTF-8 text');
});

test('shows no secret, whatever prints it', ({ folder }) => {
  const secrets = [
    'hidden-mb',
    'hidden-cep',
    'hidden-log',
    'hidden-key-0001',
    'hidden-token',
    'hidden-custom',
    'hidden-plugin',
    'hidden-url',
  ];
  const conf = `${minimal}mb.username = u
mb.password = hidden-mb
thrift.server.admin.password = hidden-cep
monitoring.server.admin.password = hidden-log
[plugin php]
token = hidden-plugin
`;
  const params = `${quiet},CARTRIDGE_KEY=hidden-key-0001!,TOKEN=hidden-token,AWS_SECRET=hidden-custom,REPO_URL=https://u:hidden-url@git/x`;

  const loaded = folder.load({ conf, params });

  const shown = [
    JSON.stringify(describeConfig(loaded.config)),
    JSON.stringify(loaded),
    inspect(loaded, { depth: 20, showHidden: false }),
  ].join('\n');
  expect(secrets.filter((secret) => shown.includes(secret))).toEqual([]);
  expect(loaded.config.hooks.launchParams.get('AWS_SECRET')).toBe('hidden-custom');
  expect(describeConfig(loaded.config)).toMatchObject({
    'mb.password': '[redacted]',
    CARTRIDGE_KEY: '[redacted]',
    TOKEN: '[redacted]',
    REPO_URL: 'https://[redacted]@git/x',
    CLUSTER_ID: 'c',
    'other launch-params': ['AWS_SECRET'],
    plugins: ['php'],
  });
});

test('quotes no secret in a report', ({ folder }) => {
  const conf = `[agent]
mb.urls = mqtt://user:hidden-1,hidden-2@host:1883
metadata.service.url = ftp://user:hidden-3@host
CARTRIDGE_KEY = hidden-4
  hidden-5 = hidden-6
hidden-7/+== = x
mb.password hidden-8
`;

  const error = errorOf(() => folder.load({ conf }));

  expect(error.problems).toHaveLength(6);
  expect([formatProblems(error), error.message, JSON.stringify(error.facts)].join()).not.toContain('hidden');
});
