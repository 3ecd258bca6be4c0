/** The version of koffi that this package installs. */
export const koffiVersion = '3.3.4';

/**
 * The binaries of koffi, by the `process.platform` and `process.arch` for which each was compiled. koffi
 * publishes a package for each of these systems, which is a whole koffi and has no install script.
 */
export const koffiBinaries: Readonly<Record<string, readonly string[]>> = {
  'android-arm64': ['android_arm64'],
  'android-x64': ['android_x64'],
  'darwin-arm64': ['darwin_arm64'],
  'darwin-x64': ['darwin_x64'],
  'freebsd-arm64': ['freebsd_arm64'],
  'freebsd-ia32': ['freebsd_ia32'],
  'freebsd-x64': ['freebsd_x64'],
  'linux-arm': ['linux_armhf'],
  'linux-arm64': ['linux_arm64', 'musl_arm64'],
  'linux-ia32': ['linux_ia32'],
  'linux-loong64': ['linux_loong64'],
  'linux-ppc64': ['linux_ppc64le'],
  'linux-riscv64': ['linux_riscv64d'],
  'linux-x64': ['linux_x64', 'musl_x64'],
  'openbsd-arm64': ['openbsd_arm64'],
  'openbsd-ia32': ['openbsd_ia32'],
  'openbsd-x64': ['openbsd_x64'],
  'win32-arm64': ['win32_arm64'],
  'win32-ia32': ['win32_ia32'],
  'win32-x64': ['win32_x64'],
};

/** The name of koffi's package for a system. */
export function koffiPackage(system: string): string {
  return `@koromix/koffi-${system}`;
}
