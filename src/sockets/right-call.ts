import { isServer } from './listener.ts';

type Members = Readonly<Record<string, unknown>>;
type Calls = readonly (readonly [is: (target: Members) => boolean, call: string])[];

/** Objects that are often given to the wrong module, known by their members, and the right call for each. */
const rightCalls: Calls = [
  [has('then'), 'await it first'],
  [has('setKeepAlive'), 'call keepAlive(socket, options) for a socket'],
  [isServer, 'call keepAliveServer(server, options) for a server'],
  [({ server }) => isServer(server), 'call keepAliveServer(app.server, options)'],
  [
    (target) => has('of', 'listen')(target) && 'sockets' in target,
    'call keepAliveServer(httpServer, options) with the HTTP server that socket.io runs on',
  ],
  [(target) => has('waitUntilReady')(target) && 'opts' in target, 'call keepAliveBullmq(target, options)'],
  [
    (target) => has('sendCommand')(target) && typeof target.status === 'string',
    'call keepAliveIoredis(client, options)',
  ],
  [
    (target) => has('sendCommand')(target) && typeof target.isOpen === 'boolean',
    "call installKeepAlive([{ port: 6379, use: 'database' }]) for node-redis, which shows no socket",
  ],
  [({ $pool }) => typeof $pool === 'object', 'call keepAlivePg(db.$pool, options)'],
  [
    ({ adapterName }) => adapterName === '@prisma/adapter-pg',
    'give Prisma a pool: new PrismaPg(keepAlivePg(new pg.Pool(config), options))',
  ],
  [has('getConnection', 'batch'), 'call mariadb.createPool(keepAliveMariadb(config, options))'],
  [has('getConnection', 'format'), 'call keepAliveMysql2(pool, options)'],
  [({ totalCount }) => typeof totalCount === 'number', 'call keepAlivePg(pool, options)'],
  [
    (target) => has('createConnection')(target) && 'freeSockets' in target,
    'call keepAliveHttp(agent, options) for an agent',
  ],
  [has('connect', 'query', 'escapeIdentifier'), 'call keepAlivePg(client, options)'],
  [has('terminate', 'ping'), 'call keepAliveWs(webSocket, options)'],
  [has('handleUpgrade', 'shouldHandle'), 'call keepAliveWs(server, options)'],
  [has('goaway', 'settings'), 'call keepAliveHttp2(session, options)'],
  [has('publish', 'subscribe', 'reconnect'), 'call keepAliveMqtt(client, options)'],
  [has('createChannel'), 'call keepAliveAmqplib(connection, options)'],
  [has('sftp', 'exec'), 'call keepAliveSsh2(client, options)'],
];

/** Objects that were made of a configuration, to which a module is too late. */
const callsForConfigurations: Calls = [
  [has('unsafe', 'begin', 'notify'), 'call postgres(keepAlivePostgres(config, options))'],
  [has('producer', 'consumer', 'admin'), 'call new Kafka(keepAliveKafkajs(config, options))'],
  [has('dispatch', 'close', 'destroy'), 'call new Agent(keepAliveUndici(config, options))'],
  [has('execSql'), 'call new Connection(keepAliveTedious(config, options))'],
];

/** The right call for a target that a module refuses, as the end of a message; empty if it is not known. */
export function rightCallFor(target: unknown): string {
  return callFrom(rightCalls, target);
}

/** The call of the module that a target did not go through, in the same form. */
export function missingCallFor(target: unknown): string {
  return callFrom([...rightCalls, ...callsForConfigurations], target);
}

function callFrom(calls: Calls, target: unknown): string {
  const members = (target ?? {}) as Members;
  const call = calls.find(([is]) => is(members))?.[1];
  return call === undefined ? '' : `; ${call}`;
}

function has(...methods: readonly string[]): (target: Members) => boolean {
  return (target) => methods.every((method) => typeof target[method] === 'function');
}
