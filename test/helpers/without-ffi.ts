/** Whether this Node has its own FFI without a flag. */
export const hasNodeFfi: boolean = process.allowedNodeEnvironmentFlags.has('--allow-ffi');

/** The flags with which this Node starts without its own FFI, so that only koffi can make system calls. */
export const withoutFfi: readonly string[] = hasNodeFfi ? ['--no-experimental-ffi'] : [];
