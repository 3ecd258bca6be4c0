import { predictDetection } from '../predict/predict.ts';
import type { DetectionSystem } from '../predict/system.ts';

/** The sysctls that decide on a socket which sets no option, and what one of their units is. */
const sysctls = {
  keepaliveTime: { name: 'tcp_keepalive_time', unit: 1_000 },
  keepaliveIntvl: { name: 'tcp_keepalive_intvl', unit: 1_000 },
  keepaliveProbes: { name: 'tcp_keepalive_probes', unit: 1 },
  tcpRetries2: { name: 'tcp_retries2', unit: 1 },
  tcpSynRetries: { name: 'tcp_syn_retries', unit: 1 },
} as const;

/** The same, of newer kernels. */
const newerSysctls = {
  rtoMin: { name: 'tcp_rto_min_us', unit: 0.001 },
  rtoMax: { name: 'tcp_rto_max_ms', unit: 1 },
  synLinearTimeouts: { name: 'tcp_syn_linear_timeouts', unit: 1 },
} as const;

/** The system's values for a socket that sets none, or why they cannot be read. Only Linux shows them, in files. */
export type System = Sysctls | { readonly unreadable: string };
export type Sysctls = Readonly<Record<keyof typeof sysctls, number>> &
  Readonly<Partial<Record<keyof typeof newerSysctls, number>>>;

export async function readSystem(): Promise<System | undefined> {
  if (process.platform !== 'linux') return undefined;
  const { readFile } = await import('node:fs/promises');
  try {
    const read = async ([field, { name, unit }]: [string, { name: string; unit: number }]) => {
      const text = await readFile(`/proc/sys/net/ipv4/${name}`, 'utf8');
      return [field, Number(text) * unit] as const;
    };
    const newer = Object.entries(newerSysctls).map((sysctl) => read(sysctl).catch(() => []));
    const entries = [...Object.entries(sysctls).map(read), ...newer];
    return Object.fromEntries((await Promise.all(entries)).filter(({ length }) => length > 0)) as Sysctls;
  } catch (error) {
    return { unreadable: (error as Error).message };
  }
}

/** The system, if something can be predicted with it. */
export function predictable(system: System | undefined): DetectionSystem | undefined {
  return system === undefined || 'unreadable' in system || refusalOf(system) !== undefined
    ? undefined
    : system;
}

/** Why nothing can be predicted with these settings. */
export function refusalOf(system: DetectionSystem): string | undefined {
  try {
    predictDetection({ enable: true }, system);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
