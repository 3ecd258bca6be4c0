// What a program has imported before it imports the package: a module of its own, and node:net.
export { default } from 'node:net';
