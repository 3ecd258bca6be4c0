import { isServer } from './listener.ts';

type Members = Readonly<Record<string, unknown>>;

/** Objects that are often given to the wrong module, known by their members, and the right call for each. */
const rightCalls: readonly (readonly [is: (target: Members) => boolean, call: string])[] = [
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
];

/** The right call for a target that a module refuses, as the end of a message; empty if it is not known. */
export function rightCallFor(target: unknown): string {
  const members = (target ?? {}) as Members;
  const call = rightCalls.find(([is]) => is(members))?.[1];
  return call === undefined ? '' : `; ${call}`;
}

function has(...methods: readonly string[]): (target: Members) => boolean {
  return (target) => methods.every((method) => typeof target[method] === 'function');
}
