/** Makes a TCP peer vanish in a test, and times what notices it. Linux only. @module tcp-keepalive/testing */
export { type ExpectedDetection, expectDetection } from './expect-detection.ts';
export { vanish } from './vanish.ts';
export { type ProxyTarget, type VanishingProxy, vanishingProxy } from './vanishing-proxy.ts';
