import { brokers, host, httpUrl, port, servers } from './addresses.ts';
import { key } from './key.ts';
import { barList, choice, flag, path, secret, text } from './kinds.ts';
import { duration, size, statisticsInterval } from './quantities.ts';

/** The message broker. @see protocol.md 6.3, design.md "The bus" */
export const brokerKeys = {
  'mb.urls': key(brokers, 'The brokers, in the order in which they are tried. Wins over mb.ip and mb.port.', {
    example: 'mb1.example.org:1883,mb2.example.org:1883',
  }),
  'mb.ip': key(host, 'The broker, if there is only one. Needs mb.port.', { example: 'mb1.example.org' }),
  'mb.port': key(port, 'The port of the broker named by mb.ip.', { example: '1883' }),
  'mb.username': key(text, 'The user name, the same for all brokers.', { example: 'system' }),
  'mb.username.file': key(
    path,
    "A file with nothing but the user name. Wins over mb.username; so does systemd's credential.",
    {
      example: 'mb.username',
    },
  ),
  'mb.password': key(secret, 'The password, the same for all brokers.', { example: 'change-me' }),
  'mb.password.file': key(
    path,
    "A file with nothing but the password. Wins over mb.password; so does systemd's credential.",
    {
      example: 'mb.password',
    },
  ),
  'mb.protocol.version': key(choice(['4', '5']), 'The version of MQTT: 4 is MQTT 3.1.1.', { fallback: '4' }),
  'mb.tls': key(flag, 'Whether to talk to the brokers over TLS. Without it: if mb.urls has mqtts://, else not.', {
    example: 'true',
  }),
  'mb.tls.ca': key(path, "The certificates to trust, in PEM format. Without it: the system's, and those Node brings.", {
    example: 'tls/ca.pem',
  }),
  'mb.tls.cert': key(path, 'The certificate of this client, in PEM format. Needs mb.tls.key.', {
    example: 'tls/client.pem',
  }),
  'mb.tls.key': key(path, 'The private key of this client, in PEM format. Needs mb.tls.cert.', {
    example: 'tls/client-key.pem',
  }),
  'mb.tls.servername': key(host, 'The name the certificate of the brokers must have. Without it: their host name.', {
    example: 'mb.example.org',
  }),
  'mb.publisher.timeout': key(duration('s'), 'When to give up publishing an event. The agent never gives one up.', {
    example: '900',
    effect: 'ignored',
  }),
};

/** @see protocol.md 9 */
export const healthKeys = {
  'cep.stats.publisher.enabled': key(flag, 'Whether to publish load and memory once the instance is active.', {
    fallback: 'true',
  }),
  'stats.notifier.interval': key(statisticsInterval, 'How often. A member that is silent for 60 s is replaced.', {
    fallback: '15',
  }),
  'thrift.receiver.urls': key(servers, 'The CEP nodes that get the statistics too: their secure data-bridge ports.', {
    example: 'cep1.example.org:7711,cep2.example.org:7711',
  }),
  'thrift.receiver.ip': key(host, 'The CEP node, as older images name it. Needs thrift.receiver.port.', {
    example: 'cep1.example.org',
  }),
  'thrift.receiver.port': key(port, 'The port of the CEP node named by thrift.receiver.ip.', { example: '7711' }),
  'thrift.server.admin.username': key(text, 'The user name, the same for all CEP nodes.', { example: 'stats' }),
  'thrift.server.admin.password': key(secret, 'The password, the same for all CEP nodes.', { example: 'change-me' }),
  'thrift.tls.ca': key(
    path,
    "The certificates to trust of CEP nodes and of the monitoring server, in PEM format. Without it: the system's.",
    { example: 'tls/ca.pem' },
  ),
  'thrift.tls.servername': key(
    host,
    'The name the certificates of these servers must have. Without it: their host name.',
    {
      example: 'cep.example.org',
    },
  ),
  'thrift.tls.verify': key(
    flag,
    'Whether to check these certificates. If not, anybody may pose as the CEP and learn the passwords.',
    { fallback: 'true' },
  ),
};

/** @see protocol.md 10, 11 */
export const platformKeys = {
  'enable.data.publisher': key(flag, 'Whether to ship the log files named below. Needs four of the monitoring keys.', {
    fallback: 'false',
  }),
  'monitoring.server.ip': key(host, 'The server that takes the logs.', { example: 'logs.example.org' }),
  'monitoring.server.port': key(port, 'Its plain port, which the agent does not use.', {
    example: '7611',
    effect: 'ignored',
  }),
  'monitoring.server.secure.port': key(port, 'Its secure port.', { example: '7711' }),
  'monitoring.server.admin.username': key(text, 'The user name there.', { example: 'logs' }),
  'monitoring.server.admin.password': key(secret, 'The password there.', { example: 'change-me' }),
  'log.file.paths': key(barList, 'The files to ship.', {
    example: '/var/log/apache2/access.log|/var/log/apache2/error.log',
  }),
  'log.file.rate': key(size, 'How much of them is shipped in a second at most, all files together.', {
    fallback: '64k',
  }),
  'log.file.buffer': key(size, 'How much is kept while the server is away; beyond it the oldest lines are left out.', {
    fallback: '1m',
  }),
  'metadata.service.url': key(httpUrl, 'The metadata service, for plugins. Needs TOKEN.', {
    example: 'https://metadata.example.org:9443',
  }),
  'lb.private.ip': key(host, 'The private address of the load balancer, for scripts, if no cluster tells it.', {
    example: '10.0.0.20',
  }),
  'lb.public.ip': key(host, 'The public address of the load balancer, for scripts, if no cluster tells it.', {
    example: '192.0.2.20',
  }),
};
