import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import koffi from 'koffi';

// A path between two addresses of one machine, for a process in a network namespace of its own: what is sent to the
// other address comes to a program, which delays it, drops it, or answers it with an ICMP message as a router would.

const TUNSETIFF = 0x400454ca;
const IFF_TUN_NO_PI = 0x1001;
const ICMP_UNREACHABLE = {
  4: { protocol: 1, type: 3, unreachable: 1, refused: 3 },
  6: { protocol: 58, type: 1, unreachable: 3, refused: 4 },
} as const;

/** A router says that the host cannot be reached, or a firewall that the port cannot. */
type Report = 'unreachable' | 'refused';

export interface Tunnel {
  /** The addresses of this end, on which a server listens. */
  readonly here: { readonly 4: string; readonly 6: string };
  /** The addresses to connect to: they lead to those of this end. */
  readonly there: { readonly 4: string; readonly 6: string };
  /** What becomes of a packet. */
  state: 'up' | 'silent' | Report;
  /** Removes the path. Until then a thread waits for a packet, and the process for that thread. */
  close(): void;
}

/** @param delay - of each packet, in milliseconds: half of a round trip */
export function openTunnel(delay: number): Tunnel {
  const run = (line: string) => execFileSync('ip', line.split(' '));
  const ioctl = koffi.load(null).func('ioctl', 'int', ['int', 'unsigned long', 'void *']);
  run('link set lo up');
  const device = fs.openSync('/dev/net/tun', 'r+');
  const request = Buffer.alloc(40);
  request.write('path0');
  request.writeInt16LE(IFF_TUN_NO_PI, 16);
  if (ioctl(device, TUNSETIFF, request) !== 0) throw new Error('TUNSETIFF failed');
  run('addr add 10.9.0.1/24 dev path0');
  run('-6 addr add fd09::1/64 dev path0 nodad');
  run('link set path0 up');
  const tunnel: Tunnel = {
    here: { 4: '10.9.0.1', 6: 'fd09::1' },
    there: { 4: '10.9.0.2', 6: 'fd09::2' },
    state: 'up',
    close: () => void run('link delete path0'),
  };
  const send = (packet: Buffer) => fs.write(device, packet, () => {});
  const receive = () => {
    const memory = Buffer.alloc(65_536);
    fs.read(device, memory, 0, memory.length, null, (error, length) => {
      if (error) return;
      receive();
      const packet = memory.subarray(0, length);
      const { state } = tunnel;
      if (state === 'silent') return;
      const answer = state === 'up' ? reflected(packet) : reportOf(packet, state);
      if (answer !== undefined) setTimeout(send, delay, answer);
    });
  };
  receive();
  return tunnel;
}

const versionOf = (packet: Buffer) => ((packet[0] ?? 0) >> 4 === 6 ? 6 : 4);

/** Exchanges both addresses. The checksums stay right, because they are sums. */
function reflected(packet: Buffer): Buffer {
  const [at, length] = versionOf(packet) === 6 ? [8, 16] : [12, 4];
  const source = Buffer.from(packet.subarray(at, at + length));
  packet.copy(packet, at, at + length, at + 2 * length);
  source.copy(packet, at + length);
  return packet;
}

/** A router's message about a packet. */
function reportOf(packet: Buffer, report: Report): Buffer | undefined {
  const version = versionOf(packet);
  const { protocol, type, [report]: code } = ICMP_UNREACHABLE[version];
  const isTcp = packet[version === 6 ? 6 : 9] === 6;
  if (!isTcp) return undefined;
  const quoted = packet.subarray(0, version === 6 ? 100 : 40);
  const message = Buffer.concat([Buffer.from([type, code, 0, 0, 0, 0, 0, 0]), quoted]);
  const header = Buffer.alloc(version === 6 ? 40 : 20);
  if (version === 6) {
    header.writeUInt32BE(0x6000_0000);
    header.writeUInt16BE(message.length, 4);
    header[6] = protocol;
    header[7] = 64;
    packet.copy(header, 8, 24, 40);
    packet.copy(header, 24, 8, 24);
    const pseudo = Buffer.concat([
      header.subarray(8),
      Buffer.from([0, 0, 0, message.length, 0, 0, 0, protocol]),
    ]);
    message.writeUInt16BE(checksum(Buffer.concat([pseudo, message])), 2);
  } else {
    header[0] = 0x45;
    header.writeUInt16BE(header.length + message.length, 2);
    header[8] = 64;
    header[9] = protocol;
    packet.copy(header, 12, 16, 20);
    packet.copy(header, 16, 12, 16);
    header.writeUInt16BE(checksum(header), 10);
    message.writeUInt16BE(checksum(message), 2);
  }
  return Buffer.concat([header, message]);
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
