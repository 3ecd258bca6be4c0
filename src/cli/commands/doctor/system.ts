import { formatTime } from '../../../options/words.ts';
import { predictDetection } from '../../../predict/predict.ts';
import { refusalOf, type Sysctls, type System } from '../../system.ts';
import type { Diagnosis } from './diagnoses.ts';

/** Examines the values that a socket has which sets none. */
export function diagnoseSystem(system: System | undefined): Diagnosis[] {
  if (system === undefined) return [];
  const subject = 'system defaults';
  if ('unreadable' in system) {
    const message = `cannot be read (${system.unreadable}); those of Linux are assumed: 2h, 75s, 9 probes`;
    return [{ subject, status: 'ok', message }];
  }
  const broken = brokenBy(system);
  if (broken !== undefined) return [{ subject, status: 'fail', values: system, ...broken }];
  const refusal = refusalOf(system);
  if (refusal !== undefined) {
    const message = `a net.ipv4 setting is out of range, and nothing can be predicted with it. ${refusal}`;
    return [{ subject, status: 'warning', message, advice: 'Correct the sysctl.', values: system }];
  }
  const { idle, unacknowledged, connecting } = predictDetection({ enable: true }, system);
  const message =
    `${formatTime(system.keepaliveTime)}, ${formatTime(system.keepaliveIntvl)}, ${system.keepaliveProbes} probes: with ` +
    `keepalive merely turned on, an idle dead peer is noticed after ${formatTime(idle.nominal)}; without a user ` +
    `timeout, data in flight fails after ${formatTime(unacknowledged.nominal)} (tcp_retries2 = ${system.tcpRetries2}); ` +
    `connecting, after ${formatTime(connecting.nominal)} (tcp_syn_retries = ${system.tcpSynRetries})`;
  const noticed = {
    idle: idle.nominal,
    unacknowledged: unacknowledged.nominal,
    connecting: connecting.nominal,
  };
  return [{ subject, status: 'ok', message, values: { ...system, ...noticed } }];
}

/** Linux accepts these values, with which keepalive does harm or nothing at all. */
function brokenBy({
  keepaliveTime,
  keepaliveIntvl,
  keepaliveProbes,
}: Sysctls): Pick<Diagnosis, 'message' | 'advice'> | undefined {
  const on = 'a connection that turns keepalive on';
  if (keepaliveProbes <= 0) {
    return broken(
      'tcp_keepalive_probes',
      keepaliveProbes,
      `${on} without a \`count\` of its own is reset after ${formatTime(keepaliveTime)} of silence, although its peer lives`,
      9,
    );
  }
  if (keepaliveTime <= 0) {
    const effect = `${on} without an \`initialDelay\` of its own is not probed when it should be, or never`;
    return broken('tcp_keepalive_time', keepaliveTime / 1_000, effect, 7_200);
  }
  if (keepaliveIntvl <= 0) {
    const effect = `${on} without an \`interval\` of its own gets all its probes at once, and a peer that answers later is dropped`;
    return broken('tcp_keepalive_intvl', keepaliveIntvl / 1_000, effect, 75);
  }
  return undefined;
}

function broken(
  sysctl: string,
  value: number,
  effect: string,
  usual: number,
): Pick<Diagnosis, 'message' | 'advice'> {
  return {
    message: `net.ipv4.${sysctl} is ${value}: ${effect}`,
    advice: `sysctl -w net.ipv4.${sysctl}=${usual}, or set options on each socket: keepAlive(socket, 'database').`,
  };
}
