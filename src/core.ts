/**
 * The whole library. It is built as `dist/core`, which the package's entries import as `#core`: if it were
 * bundled into each of them, each would load its own koffi and keep its own state. It is no entry of the
 * package; `index.ts` exports the public names.
 */

export { loadKoffi } from '../native-bindings/load-koffi.ts';
export { tcpStates } from '../native-bindings/tcp-info.ts';
export { readCookie } from './kernel/cookie.ts';
export { readHearing, setDeaf, setHearing } from './kernel/deaf.ts';
export { correctSettings, readSettings, writeSettings } from './kernel/settings.ts';
export { mustWait, writeWithCare } from './kernel/silence.ts';
export { decodeTcpInfo, hasTcpInfo, readTcpInfo } from './kernel/tcp-info.ts';
export { detectionBuckets, keepAliveStats } from './metrics/stats.ts';
export { invalidOption, isKeepAliveError, keepAliveError } from './options/errors.ts';
export { isObject, readable, refusal } from './options/fields.ts';
export { optionsFromLibpq } from './options/libpq.ts';
export { parseKeepAliveOptions, trustSettings } from './options/parse.ts';
export { presets } from './options/presets.ts';
export { isPlain, shownInstead } from './options/show.ts';
export { pathIdleLimits } from './predict/paths.ts';
export { planKeepAlive } from './predict/plan.ts';
export { predictDetection } from './predict/predict.ts';
export { reviewKeepAlive } from './predict/review.ts';
export { installKeepAlive } from './rules/install.ts';
export { startRules } from './rules/start.ts';
export { capabilities } from './sockets/capabilities.ts';
export { keepAliveFor } from './sockets/for-library.ts';
export { getKeepAlive, getTcpInfo, readableDescriptor } from './sockets/get.ts';
export { listenerDescriptor, NO_DESCRIPTOR } from './sockets/handle.ts';
export { holdSocket, keepAlive } from './sockets/hold.ts';
export { ASKED, DRIVER, SOCKETS, WRAPPED } from './sockets/hold-record.ts';
export { inspectKeepAlive } from './sockets/inspect.ts';
export { isServer } from './sockets/listener.ts';
export { reapLostSockets } from './sockets/reap.ts';
export { onErrorOf, report, warnOnce } from './sockets/report.ts';
export { rightCallFor } from './sockets/right-call.ts';
export { keepAliveServer } from './sockets/server.ts';
export { setKeepAlive } from './sockets/set.ts';
export { listSocket, newSocketList, socketListOf } from './sockets/socket-list.ts';
export { keepAliveStream } from './sockets/stream.ts';
