import { isReadBack, type KeepAliveSettings, onlyTunes, optionNames } from '../../../options/options.ts';
import { parseKeepAliveOptions } from '../../../options/parse.ts';
import { formatTime } from '../../../options/words.ts';
import { predictDetection } from '../../../predict/predict.ts';
import type { DetectionSystem } from '../../../predict/system.ts';
import type { Diagnosis } from './diagnoses.ts';

/** Compares the options that Node and this library set, as the kernel reads them back. */
export async function diagnoseSockets(system: DetectionSystem | undefined): Promise<Diagnosis[]> {
  const { measureSockets } = await import('./measured-sockets.ts');
  try {
    const { bare, delayed, agent, ours } = await measureSockets();
    return [
      foundOnSocket('setKeepAlive(true)', bare, system),
      foundOnSocket('setKeepAlive(true, 60000)', delayed, system),
      foundOnSocket('http agent', agent, system),
      sameAsPreset(ours),
    ];
  } catch (error) {
    return [failed(error as NodeJS.ErrnoException)];
  }
}

/** Without a connection nothing was measured; otherwise a sandbox refuses the calls that read and set options. */
function failed({ syscall, message }: NodeJS.ErrnoException): Diagnosis {
  const fact = { subject: 'sockets', status: 'fail' } as const;
  if (syscall === 'listen' || syscall === 'connect' || syscall === 'bind') {
    const advice = 'Bring the loopback interface up, and allow connections to 127.0.0.1.';
    return { ...fact, message: `a connection on the loopback interface failed: ${message}`, advice };
  }
  const advice =
    'Allow setsockopt and getsockopt in the seccomp profile, or in what else confines this process.';
  return { ...fact, message: `a socket's options cannot be set or read: ${message}`, advice };
}

function foundOnSocket(
  subject: string,
  settings: KeepAliveSettings,
  system: DetectionSystem | undefined,
): Diagnosis {
  const { initialDelay = 0, interval = 0, count } = settings;
  const { idle, unacknowledged } = predictDetection(settings, system);
  const message =
    `Node leaves ${formatTime(initialDelay)}, ${formatTime(interval)}, ${count} probes: an idle dead peer is noticed after ` +
    `${formatTime(idle.nominal)}, data in flight fails after ${formatTime(unacknowledged.nominal)}`;
  const noticed = { idle: idle.nominal, unacknowledged: unacknowledged.nominal };
  return { subject, status: 'ok', message, values: { ...settings, ...noticed } };
}

function sameAsPreset(values: KeepAliveSettings): Diagnosis {
  const preset = parseKeepAliveOptions('database');
  const same = optionNames.every((name) => {
    const [set, read] = [preset[name], values[name]];
    if (set === undefined) return true;
    return read === undefined ? onlyTunes(name) : isReadBack(name, set, read);
  });
  const subject = 'tcp-keepalive';
  if (same) {
    const message = "setKeepAlive(socket, 'database') reads back as it was set";
    return { subject, status: 'ok', message, values: { ...values } };
  }
  return {
    subject,
    status: 'fail',
    message: `setKeepAlive(socket, 'database') reads back as ${JSON.stringify(values)}`,
    advice: 'Look for a sandbox or a preloaded library that changes setsockopt, and report it.',
    values: { ...values },
  };
}
