// koffi is left out here, so Node's own FFI makes the calls.
require('../application/entry.cjs');
