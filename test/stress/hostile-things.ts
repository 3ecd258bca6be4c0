import fc from 'fast-check';
import { type Pool, SERVERS, SOCKETS } from './socket-pool.ts';

/** An argument yet to be made, told in plain words so that a failed run can print it. */
export interface Thing {
  /** @param reported - where an `onError` puts what it is told */
  make(pool: Pool, reported: unknown[]): unknown;
}

type Make = Thing['make'];

// Hostile code throws these.
const thrown: Record<string, () => unknown> = {
  'an error': () => new Error('hostile'),
  'an error with a code like ours': () =>
    Object.assign(new Error('hostile'), { code: 'ERR_KEEPALIVE_FORGED' }),
  'an error with a code that is no text': () => Object.assign(new Error('hostile'), { code: 5 }),
  nothing: () => undefined,
  'a symbol': () => Symbol('hostile'),
};

function thrower(what: string): () => never {
  return () => {
    throw thrown[what]?.();
  };
}

// What hides a value, or makes it lie about itself.
const disguises: Record<string, (value: object, throws: () => never) => unknown> = {
  none: (value) => value,
  frozen: (value) => (isPlain(value) ? Object.freeze(value) : value),
  'a proxy': (value) => new Proxy(value, {}),
  'a revoked proxy': (value) => revoked(value),
  'a proxy that throws when read': (value, throws) => new Proxy(value, { get: throws }),
  'a proxy that throws at everything else': (value, throws) =>
    new Proxy(value, {
      ownKeys: throws,
      getPrototypeOf: throws,
      getOwnPropertyDescriptor: throws,
      has: throws,
      set: throws,
      defineProperty: throws,
      isExtensible: throws,
    }),
  'an heir': (value) => Object.create(value),
  'getters that throw': (value, throws) => withGetters(value, () => throws),
  'fields that change when read again': (value) =>
    withGetters(value, (field) => {
      let reads = 0;
      return () => (reads++ === 0 ? field : 2 ** 33 + 0.5);
    }),
  'an heir of a proxy that throws': (value, throws) =>
    Object.setPrototypeOf(isPlain(value) ? { ...value } : {}, new Proxy({}, { get: throws, has: throws })),
  'a class of its own': (value) => Object.assign(new (class Odd {})(), value),
  'a function': (value) => Object.defineProperties(() => {}, Object.getOwnPropertyDescriptors(value)),
};

function revoked(value: object): object {
  const { proxy, revoke } = Proxy.revocable(value, {});
  revoke();
  return proxy;
}

function isPlain(value: object): boolean {
  return Object.getPrototypeOf(value) === Object.prototype;
}

/** Heirs with a getter before each field, also of a socket, whose fields they do not change. */
function withGetters(value: object, getter: (field: unknown) => () => unknown): object {
  const names = isPlain(value)
    ? Object.keys(value)
    : ['_handle', 'connecting', 'destroyed', 'pending', 'remoteAddress', 'listening', 'address', 'on'];
  const heir: object = isPlain(value) ? {} : Object.create(value);
  for (const name of names) {
    const field: unknown = Reflect.get(value, name);
    Object.defineProperty(heir, name, { get: getter(field), enumerable: true, configurable: true });
  }
  return heir;
}

/** Says what it is where fast-check prints it. */
function thing(words: string, make: Make): Thing {
  return Object.assign({ make }, { [fc.toStringMethod]: () => words });
}

/** Now and then in disguise, and now and then something else altogether. */
function disguised(plain: fc.Arbitrary<Thing>): fc.Arbitrary<Thing> {
  const dress = fc.tuple(plain, keyOf(disguises), keyOf(thrown)).map(([under, disguise, what]) =>
    thing(`${fc.stringify(under)} in disguise (${disguise}, ${what})`, (...context) => {
      const value = under.make(...context);
      if (typeof value !== 'object' || value === null) return value;
      return disguises[disguise]?.(value, thrower(what));
    }),
  );
  return fc.oneof(
    { weight: 6, arbitrary: plain },
    { weight: 4, arbitrary: dress },
    { weight: 1, arbitrary: anything },
  );
}

function keyOf(record: object): fc.Arbitrary<string> {
  return fc.constantFrom(...Object.keys(record));
}

/** The same value each time. */
function plain(arbitrary: fc.Arbitrary<unknown>): fc.Arbitrary<Thing> {
  return arbitrary.map((value) => thing(fc.stringify(value), () => value));
}

const edges = [
  ...[Number.NaN, Infinity, -Infinity, -0, -1, 0, 0.5, 1, 2.5, 60, 127, 127.5, 128, 255, 256],
  ...[999, 999.999, 1_000, 1_000.5, 1_001, 32_766_001, 32_767_000, 32_767_000.5, 32_768_000],
  ...[65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1_000, 2 ** 53, 1e308, 5e-324],
];
const odd = fc.oneof(
  fc.constantFrom<unknown>(...edges),
  fc.double(),
  fc.constantFrom<unknown>(null, undefined, true, 'auto', '5000', 5n, Symbol('5'), [5_000], {}),
  fc.constantFrom<unknown>({ valueOf: () => 5_000 }, { [Symbol.toPrimitive]: thrower('a symbol') }),
);
const anything: fc.Arbitrary<Thing> = plain(
  fc.oneof(
    odd,
    fc.anything({
      withBigInt: true,
      withBoxedValues: true,
      withNullPrototype: true,
      withSparseArray: true,
      maxDepth: 1,
    }),
    fc.constantFrom<unknown>(
      'database',
      'constructor',
      '__proto__',
      'toString',
      'databse',
      () => {},
      class {},
    ),
  ),
);

/** Objects with some of these fields: mostly good ones, sometimes a bad one, seldom one unknown. */
function fields(good: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Record<string, unknown>> {
  const mixed = Object.entries(good).map(([name, value]) => [
    name,
    fc.oneof({ weight: 12, arbitrary: value }, { weight: 1, arbitrary: odd }),
  ]);
  const some = fc.record(Object.fromEntries(mixed), { requiredKeys: [] });
  const strange = fc
    .tuple(some, fc.string(), odd)
    .map(([known, name, value]) => ({ ...known, [name]: value }));
  return fc.oneof({ weight: 12, arbitrary: some }, { weight: 1, arbitrary: strange });
}

/** Good values, and now and then one of those next to them that the kernel does not take. */
function orJustBeyond(good: fc.Arbitrary<unknown>, ...beyond: number[]): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 12, arbitrary: good }, { weight: 1, arbitrary: fc.constantFrom(...beyond) });
}

const time = fc.oneof(
  fc.integer({ min: 1_000, max: 32_767_000 }),
  fc.double({ min: 1_000, max: 60_000, noNaN: true }),
);
const optionFields = fields({
  enable: fc.boolean(),
  initialDelay: orJustBeyond(time, 999, 32_767_001),
  interval: orJustBeyond(time, 999, 32_767_001),
  count: orJustBeyond(fc.integer({ min: 1, max: 127 }), 0, 128),
  userTimeout: orJustBeyond(fc.oneof(time, fc.constantFrom(0, 'auto')), 999, 2 ** 31),
  maxRetransmitInterval: orJustBeyond(fc.oneof(time, fc.constant('auto')), 999, 120_001),
  failOnUnreachable: fc.boolean(),
});
const names = fc.constantFrom('database', 'fastFailover', 'websocket', 'bulk', 'tunnel', 'loadBalancer');
const options = disguised(
  fc.oneof({ weight: 6, arbitrary: plain(optionFields) }, { weight: 1, arbitrary: plain(names) }),
);
const holds = fc.oneof(
  { weight: 9, arbitrary: options },
  { weight: 1, arbitrary: plain(fc.constant(false)) },
);

const callbacks: fc.Arbitrary<Thing> = fc.oneof(
  plain(fields({ strict: fc.boolean() })),
  plain(fc.constant(undefined)),
  fc.constant(
    thing('{ onError }', (_pool, reported) => ({ onError: (error: Error) => reported.push(error) })),
  ),
  keyOf(thrown).map((what) => thing(`{ onError throws ${what} }`, () => ({ onError: thrower(what) }))),
  keyOf(thrown).map((what) =>
    thing(`{ onError rejects with ${what} }`, () => ({ onError: async () => thrower(what)() })),
  ),
  plain(odd.map((onError) => ({ onError }))),
);
const behaviours = disguised(callbacks);

const realSockets: fc.Arbitrary<Thing> = fc
  .nat(SOCKETS - 1)
  .map((at) => thing(`socket ${at}`, ({ sockets }) => sockets[at]));
const realServers: fc.Arbitrary<Thing> = fc
  .nat(SERVERS - 1)
  .map((at) => thing(`server ${at}`, ({ servers }) => servers[at]));
const sockets = disguised(
  fc.oneof({ weight: 4, arbitrary: realSockets }, { weight: 2, arbitrary: lookAlikes() }),
);
const servers = disguised(
  fc.oneof({ weight: 4, arbitrary: realServers }, { weight: 2, arbitrary: lookAlikes() }),
);

/** Objects that have what a socket or a server has, some of it wrong. */
function lookAlikes(): fc.Arbitrary<Thing> {
  const descriptor = fc.oneof(
    fc.constant('real'),
    fc.constantFrom<unknown>(-1, -22, 2 ** 31 - 1, 2 ** 31, 1.5, Number.NaN, '3', null, undefined, {}),
  );
  const shape = fc.record({
    fd: descriptor,
    depth: fc.nat(9),
    connecting: fc.oneof(fc.boolean(), odd),
    destroyed: fc.oneof(fc.constant(false), odd),
    pending: fc.boolean(),
    listening: fc.boolean(),
    remoteAddress: fc.oneof(fc.constantFrom('127.0.0.1', undefined), odd),
    // None emits an event: what comes from there is not guarded like what a caller gives.
    listens: fc.constantFrom('never', 'throws', 'no function'),
    setKeepAlive: fc.constantFrom('there', 'throws', 'missing', 'no function'),
    changing: fc.boolean(),
    handleDisguise: keyOf(disguises),
    what: keyOf(thrown),
  });
  return shape.map((words) =>
    thing(`look-alike ${fc.stringify(words)}`, (pool) => {
      const { fd, depth, listens, setKeepAlive, changing, handleDisguise, what, ...rest } = words;
      const throws = thrower(what);
      const method = { there: () => 0, throws, missing: undefined, 'no function': 5 }[setKeepAlive];
      const good = fd === 'real' ? pool.descriptor : fd;
      let reads = 0;
      const innermost = { setKeepAlive: method, fd: good };
      if (changing) {
        Object.defineProperty(innermost, 'fd', {
          get: () => (reads++ % 2 === 0 ? good : 1.5),
          enumerable: true,
        });
      }
      let handle: unknown = disguises[handleDisguise]?.(innermost, throws);
      for (let layer = 0; layer < depth; layer++) handle = { _parent: handle };
      const on = listener(listens, throws);
      return {
        ...rest,
        _handle: handle,
        on,
        prependListener: on,
        removeListener: listens === 'throws' ? throws : () => {},
        address: () => ({}),
      };
    }),
  );
}

function listener(kind: string, throws: () => never): unknown {
  if (kind === 'throws') return throws;
  if (kind === 'no function') return 5;
  return function (this: object, ...args: unknown[]) {
    const listen = args.at(-1);
    // Drivers tell a listener of a connection first, and some then of more.
    const tell = () => typeof listen === 'function' && Reflect.apply(listen, this, [this, this]);
    if (kind === 'at once') tell();
    if (kind === 'soon') setImmediate(tell);
    return this;
  };
}

// What the driver modules and the heartbeats look for in a pool, a client, an agent or a configuration.
const holders = [
  ...[
    'connection',
    'stream',
    'socket',
    '_sock',
    '_socket',
    '_core',
    '_model',
    'pool',
    'poolCluster',
    'options',
  ],
  ...['_nodes', 'sockets', 'freeSockets', '_freeConnections'],
];
const methods = [
  ...['on', 'once', 'listenerCount', 'add', 'connect', 'createConnection', 'query'],
  ...['socketFactory', 'connector', 'ping', 'destroy', 'terminate', 'release', 'getConnection', 'upgrade'],
];
const marks = {
  totalCount: 3,
  idleCount: 3,
  threadId: 7,
  readyState: 1,
  host: 'db',
  port: 5432,
  isCluster: true,
};

/** Objects that have what drivers' objects have, some of it wrong. */
const driverObjects: fc.Arbitrary<Thing> = fc
  .record({
    held: fc.dictionary(
      fc.constantFrom(...holders),
      fc.constantFrom('socket', 'itself', 'list', 'names', 'odd'),
    ),
    calls: fc.dictionary(fc.constantFrom(...methods), fc.constantFrom('at once', 'soon', 'no function')),
    on: fc.constantFrom('never', 'at once', 'soon', 'no function'),
    marked: fc.subarray(Object.keys(marks)),
    at: fc.nat(SOCKETS - 1),
    oddity: odd,
  })
  .map((words) =>
    thing(`driver's object ${fc.stringify(words)}`, ({ sockets }) => {
      const { held, calls, on, marked, at, oddity } = words;
      const object: Record<string, unknown> = { on: listener(on, thrower('an error')) };
      const socket = sockets[at];
      const kinds: Record<string, unknown> = {
        socket,
        itself: object,
        list: [object, { connection: { stream: socket }, stream: socket, on: () => {} }],
        names: { some: [socket, oddity] },
        odd: oddity,
      };
      // What drivers keep in lists of their own, these see to.
      Object.assign(object, { _clients: kinds.list, clients: kinds.list, nodes: () => kinds.list });
      object.removeListener = () => object;
      for (const mark of marked) object[mark] = marks[mark as keyof typeof marks];
      for (const [name, kind] of Object.entries(held)) object[name] = kinds[kind];
      for (const [name, kind] of Object.entries(calls)) object[name] = listener(kind, thrower('an error'));
      return object;
    }),
  );

// Without disguises: what an object throws of its own accord when a driver would use it, is the user's.
const drivers = fc.oneof(
  { weight: 6, arbitrary: driverObjects },
  ...[realSockets, realServers, anything].map((arbitrary) => ({ weight: 1, arbitrary })),
);

const rhythm = fields({ every: time, timeout: time });
const heartbeats = disguised(
  rhythm.map((fields) =>
    thing(fc.stringify(fields), () => ({ ping: () => {}, onDead: () => {}, ...fields })),
  ),
);

const paths = fc.oneof(fc.constantFrom('aws-nlb', 'azure-lb', 'conntrack', 'nginx', 'toString'), time);
const goals = disguised(
  plain(
    fields({
      detectWithin: time,
      pathIdleLimit: paths,
      probes: fc.integer({ min: 1, max: 127 }),
      rto: fc.integer({ min: 1, max: 120_000 }),
    }),
  ),
);
const systems = disguised(
  plain(
    fc.oneof(
      fc.constant(undefined),
      fields({
        hz: fc.integer({ min: 24, max: 1_200 }),
        rto: fc.integer({ min: 1, max: 120_000 }),
        tcpRetries2: fc.nat(255),
        tcpSynRetries: fc.integer({ min: 1, max: 127 }),
        keepaliveTime: time,
        keepaliveIntvl: time,
        keepaliveProbes: fc.integer({ min: 1, max: 127 }),
      }),
    ),
  ),
);
const surroundings = disguised(
  plain(
    fields({ pathIdleLimit: paths, acquireTimeout: time, roundTrip: time, connections: fc.nat(100_000) }),
  ),
);

const hosts = fc.constantFrom(
  'db.internal',
  '10.0.0.0/8',
  '::1',
  '127.0.0.1',
  '300.1.1.1',
  '10.0.0.0/33',
  '',
);
const ports = fc.oneof(
  fc.integer({ min: 1, max: 65_535 }),
  fc.constantFrom<unknown>([80, 90], [90, 80], [], [[1, 2], 3]),
);
const rule = disguised(
  plain(
    fields({
      side: fc.constantFrom('client', 'server'),
      host: fc.oneof(hosts, fc.array(hosts)),
      port: ports,
      use: fc.oneof(fc.constant(false), names, optionFields),
    }),
  ),
);
const rules = disguised(
  fc
    .array(rule, { maxLength: 3 })
    .map((list) => thing(fc.stringify(list), (...context) => list.map((one) => one.make(...context)))),
);

// None is a process that runs, because its connections would be changed.
const pids = plain(
  fc.constantFrom<unknown>(
    process.pid,
    2 ** 30,
    0,
    -1,
    1.5,
    Number.NaN,
    2 ** 31,
    '1',
    null,
    undefined,
    {},
    5n,
  ),
);
const ends = fc.oneof(
  ports,
  hosts.filter((host) => host !== 'db.internal'),
  fc.constantFrom(':5432', '10.0.0.1:65536', '[::1]:1', 'fe80::1%eth0', '::/129'),
);
const filters = disguised(
  plain(fields({ local: ends, remote: ends, state: fc.constantFrom('ESTABLISHED', 'LISTEN', 'OPEN', []) })),
);
const drills = disguised(plain(fields({ for: time, signal: fc.constant(undefined) })));

type ThingName =
  | 'anything'
  | 'behaviours'
  | 'drills'
  | 'drivers'
  | 'filters'
  | 'goals'
  | 'heartbeats'
  | 'holds'
  | 'callbacks'
  | 'options'
  | 'pids'
  | 'rules'
  | 'servers'
  | 'sockets'
  | 'surroundings'
  | 'systems';

/** What functions are called with. */
export const thingRecipes: Record<ThingName, fc.Arbitrary<Thing>> = {
  anything,
  behaviours,
  drills,
  drivers,
  filters,
  goals,
  heartbeats,
  holds,
  callbacks,
  options,
  pids,
  rules,
  servers,
  sockets,
  surroundings,
  systems,
};
