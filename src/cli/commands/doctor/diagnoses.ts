import type { KeepAliveSettings } from '../../../options/options.ts';
import { presets } from '../../../options/presets.ts';
import { predictDetection } from '../../../predict/predict.ts';
import type { DetectionSystem } from '../../../predict/system.ts';
import type { Capabilities } from '../../../sockets/capabilities.ts';
import { formatTime } from '../../values.ts';

/** The result of one examination. */
export interface Diagnosis {
  readonly subject: string;
  readonly status: 'ok' | 'warning' | 'fail';
  readonly message: string;
  /** The action that helps. */
  readonly advice?: string;
}

/** Examines the machine, the runtime and the options of sockets. */
export async function examine(): Promise<Diagnosis[]> {
  // Imported here, because these load koffi, which the other commands do not need.
  const { capabilities } = await import('../../../sockets/capabilities.ts');
  const { loadLibc } = await import('../../../../native-bindings/libc.ts');
  const can = capabilities();
  const defaults = await systemDefaults();
  const refusal = defaults && refusalOf(defaults);
  const system = refusal === undefined ? defaults : undefined;
  return [
    diagnoseRuntime(),
    diagnoseCalls(can, () => loadLibc().library),
    diagnoseOptions(can),
    ...(refusal === undefined ? diagnoseSystem(system) : [strangeSystem(refusal)]),
    ...(can.through === 'setsockopt' ? await diagnoseSockets(system) : []),
  ];
}

function diagnoseRuntime(): Diagnosis {
  const { versions, platform, arch } = process;
  const runtime = versions.bun === undefined ? `Node ${versions.node}` : `Bun ${versions.bun}`;
  const message = `${runtime} on ${platform} ${arch}`;
  if (Number(versions.node.split('.')[0]) >= 20) return { subject: 'runtime', status: 'ok', message };
  return { subject: 'runtime', status: 'fail', message, advice: 'Use Node 20 or later.' };
}

function diagnoseCalls({ through, reason }: Capabilities, library: () => string): Diagnosis {
  const subject = 'system calls';
  if (through === 'setsockopt') {
    return { subject, status: 'ok', message: `${library()} is loaded: setsockopt and getsockopt` };
  }
  const message = "only Node's own socket.setKeepAlive() can be called here";
  const isLost = reason?.startsWith('Cannot load koffi') ?? false;
  return { subject, status: isLost ? 'fail' : 'warning', message, advice: `${reason}.` };
}

function diagnoseOptions({ options, platform }: Capabilities): Diagnosis {
  const entries = Object.entries(options);
  const named = entries
    .filter(([, { set }]) => set)
    .map(([name, { constant }]) => (constant === undefined ? name : `${name} (${constant})`));
  const missing = entries.filter(([, { set }]) => !set).map(([name, { reason }]) => `${name}: ${reason}`);
  const message = `can be set: ${named.join(', ') || 'none'}`;
  if (missing.length === 0) return { subject: 'options', status: 'ok', message };
  return {
    subject: 'options',
    status: 'warning',
    message: `${message}; cannot: ${missing.join('; ')}`,
    advice: `Expect these in \`skipped\` on ${platform}; \`{ strict: true }\` makes them an error.`,
  };
}

/** The system's values for a socket that sets none. Only Linux shows them, in files. */
function diagnoseSystem(system: DetectionSystem | undefined): Diagnosis[] {
  if (system === undefined) return [];
  const { idle, unacknowledged, connecting } = predictDetection({ enable: true }, system);
  const [time, interval] = [system.keepaliveTime, system.keepaliveIntvl].map((ms) => formatTime(ms ?? 0));
  const slow = idle.nominal > 15 * 60_000 || unacknowledged.nominal > 5 * 60_000;
  return [
    {
      subject: 'system defaults',
      status: slow ? 'warning' : 'ok',
      message:
        `${time}, ${interval}, ${system.keepaliveProbes} probes: with keepalive merely turned on, an idle dead peer is ` +
        `noticed after ${formatTime(idle.nominal)}; without a user timeout, data in flight fails after ` +
        `${formatTime(unacknowledged.nominal)} (tcp_retries2 = ${system.tcpRetries2}); connecting, after ` +
        `${formatTime(connecting.nominal)} (tcp_syn_retries = ${system.tcpSynRetries})`,
      ...(slow && { advice: "Set options on each socket: keepAlive(socket, 'database')." }),
    },
  ];
}

/** Why nothing can be predicted with these settings. Linux accepts zeros, which make no sense. */
function refusalOf(system: DetectionSystem): string | undefined {
  try {
    predictDetection({ enable: true }, system);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function strangeSystem(refusal: string): Diagnosis {
  return {
    subject: 'system defaults',
    status: 'warning',
    message: `a net.ipv4 setting prevents the detection of dead peers. ${refusal}`,
    advice: "Correct the sysctl, or set options on each socket: keepAlive(socket, 'database').",
  };
}

async function systemDefaults(): Promise<DetectionSystem | undefined> {
  const { readFile } = await import('node:fs/promises');
  const read = async (name: string) => Number(await readFile(`/proc/sys/net/ipv4/${name}`, 'utf8'));
  try {
    return {
      keepaliveTime: (await read('tcp_keepalive_time')) * 1_000,
      keepaliveIntvl: (await read('tcp_keepalive_intvl')) * 1_000,
      keepaliveProbes: await read('tcp_keepalive_probes'),
      tcpRetries2: await read('tcp_retries2'),
      tcpSynRetries: await read('tcp_syn_retries'),
    };
  } catch {
    return undefined;
  }
}

/** Compares the options that Node and this library set, as the kernel reads them back. */
async function diagnoseSockets(system: DetectionSystem | undefined): Promise<Diagnosis[]> {
  const { measureSockets } = await import('./measured-sockets.ts');
  try {
    const { bare, delayed, agent, ours } = await measureSockets();
    return [
      foundOnSocket('setKeepAlive(true)', bare, system),
      foundOnSocket('setKeepAlive(true, 60000)', delayed, system),
      foundOnSocket('http agent', agent, system, "keepAliveHttp(agent, 'database') of tcp-keepalive/http"),
      sameAsPreset(ours),
    ];
  } catch (error) {
    return [
      {
        subject: 'sockets',
        status: 'fail',
        message: `a connection on the loopback interface failed: ${error instanceof Error ? error.message : String(error)}`,
        advice: 'Allow connections to 127.0.0.1.',
      },
    ];
  }
}

function foundOnSocket(
  subject: string,
  settings: KeepAliveSettings,
  system: DetectionSystem | undefined,
  better = "keepAlive(socket, 'database')",
): Diagnosis {
  const { initialDelay = 0, interval = 0, count } = settings;
  const { idle, unacknowledged } = predictDetection(settings, system);
  const message =
    `Node leaves ${formatTime(initialDelay)}, ${formatTime(interval)}, ${count} probes: an idle dead peer is noticed after ` +
    `${formatTime(idle.nominal)}, data in flight fails after ${formatTime(unacknowledged.nominal)}`;
  return {
    subject,
    status: 'warning',
    message,
    advice: `${better} sets all five, and keeps them set.`,
  };
}

function sameAsPreset(settings: KeepAliveSettings): Diagnosis {
  const same = Object.entries(presets.database).every(
    ([name, value]) => settings[name as keyof KeepAliveSettings] === value,
  );
  const subject = 'tcp-keepalive';
  if (same)
    return { subject, status: 'ok', message: "setKeepAlive(socket, 'database') reads back as it was set" };
  return {
    subject,
    status: 'fail',
    message: `setKeepAlive(socket, 'database') reads back as ${JSON.stringify(settings)}`,
    advice: 'Look for a sandbox or a preloaded library that changes setsockopt, and report it.',
  };
}
