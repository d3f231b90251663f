import { once } from 'node:events';
import { connect } from 'node:net';

/**
 * Whether the broker still keeps a session for that client, asked as that client would: by the flag in CONNACK.
 *
 * @see MQTT 3.1.1, 3.2.2.2
 */
export async function hasSession(brokerPort: number, clientId: string): Promise<boolean> {
  const socket = connect(brokerPort, '127.0.0.1');
  try {
    socket.write(connectPacket(clientId));
    const [answer] = (await once(socket, 'data', { signal: AbortSignal.timeout(5_000) })) as [Buffer];
    if (answer[0] !== 0x20 || answer[3] !== 0) throw new Error(`the broker refuses ${clientId}`);
    return answer[2] === 1;
  } finally {
    socket.destroy();
  }
}

/** MQTT 3.1.1, no clean session, no keep-alive, no will, no user. */
function connectPacket(clientId: string): Buffer {
  const variable = Buffer.concat([text('MQTT'), Buffer.from([4, 0, 0, 0]), text(clientId)]);
  return Buffer.concat([Buffer.from([0x10, variable.length]), variable]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}
