/** All that a service started by a test has of this process's environment: where programs are, and the cache of compiled modules (test/run.ts). */
export function inherited(): Record<string, string> {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  return { ...(PATH !== undefined && { PATH }), ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE }) };
}
