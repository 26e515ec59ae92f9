import { isIP } from "node:net";

/** Whether a listening address can be reached only from this machine. */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith("127.");
  return host === "::1" || host.toLowerCase() === "localhost";
}

// Top-level domains that nobody can register, and names without a dot.
const UNREGISTRABLE = /^[^.]+$|\.(localhost|local|internal|svc|test)$/;

/**
 * Whether a `Host` header is an IP address or a name of a private network. A website cannot be at
 * one: otherwise it could point its own name at an address in here, and read the answer (DNS rebinding).
 */
export function isPrivateHost(header: string | undefined): boolean {
  const hostname = hostnameOf(header);
  if (hostname === undefined) return false;
  return isIP(hostname) !== 0 || UNREGISTRABLE.test(hostname);
}

/** In lower case, without port and brackets; undefined if it is not a host. */
function hostnameOf(header: string | undefined): string | undefined {
  try {
    return new URL(`http://${header ?? ""}`).hostname.replace(/^\[(.*)\]$/, "$1");
  } catch {
    return undefined;
  }
}

/** The URL under which a person on this machine finds it. */
export function urlOf(host: string, port: number): string {
  const here = isLoopback(host) || host === "0.0.0.0" || host === "::";
  const name = here ? "localhost" : isIP(host) === 6 ? `[${host}]` : host;
  return `http://${name}:${port}`;
}
